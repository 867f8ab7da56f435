//! The two languages of the command line: the words of the log in one table, everything else where it is said.

use std::borrow::Cow;

use crate::engine::log::Outcome;

pub(crate) use crate::config::Lang;

/// What a language has to say.
pub(crate) trait Words {
    /// The one of both texts.
    fn pick<T>(self, en: T, zh: T) -> T;
    /// The word for an outcome; in English the stable one that filters and programs use.
    fn outcome(self, outcome: Outcome) -> &'static str;
    /// What the engine said, in this language; what the table does not know stays as it is.
    fn said(self, text: &str) -> Cow<'_, str>;
}

impl Words for Lang {
    fn pick<T>(self, en: T, zh: T) -> T {
        match self {
            Self::En => en,
            Self::Zh => zh,
        }
    }

    fn outcome(self, outcome: Outcome) -> &'static str {
        let zh = match outcome {
            Outcome::Fired => "触发",
            Outcome::Done => "完成",
            Outcome::Retrying => "重试",
            Outcome::Failed => "失败",
            Outcome::Dead => "死信",
            Outcome::Suppressed => "未做",
            Outcome::Unknown => "未知",
        };
        self.pick(outcome.word(), zh)
    }

    fn said(self, text: &str) -> Cow<'_, str> {
        for (engine, en, zh) in SAID {
            let own = self.pick(*en, *zh);
            match engine.split_once("{}") {
                None if *engine == text => return Cow::Borrowed(own),
                None => {}
                Some((head, tail)) => {
                    let gap = text.strip_prefix(head).and_then(|rest| rest.strip_suffix(tail)).filter(|gap| !gap.is_empty());
                    if let Some(gap) = gap {
                        return Cow::Owned(own.replacen("{}", gap, 1));
                    }
                }
            }
        }
        crate::engine::approval::said(text).map_or(Cow::Borrowed(text), |(zh, en)| Cow::Borrowed(self.pick(en, zh)))
    }
}

/// Who holds a store, in this language; what is not known stays as it is.
pub(crate) fn busy(lang: Lang, text: &str) -> String {
    let parts = || {
        let (who, rest) = text.split_once(" is using ")?;
        let (path, _) = rest.split_once("; stop it first")?;
        let (before, who) = who.split_once("another ifthen")?;
        let process = who.trim().trim_start_matches("(process ").trim_end_matches(')');
        let process = if process.is_empty() { String::new() } else { format!("(进程 {process})") };
        Some(format!("{before}另一个 ifthen{process} 正在使用 {path};请先停止它,或用 `data` 为本程序另设数据目录"))
    };
    if lang == Lang::Zh { parts().unwrap_or_else(|| text.to_owned()) } else { text.to_owned() }
}

/// What the engine says in the log, as it says it, then in English and Chinese for people; `{}` is a gap.
const SAID: &[(&str, &str, &str)] = &[
    // Reasons.
    ("preview", "preview", "预览"),
    ("cooldown", "cooling down", "冷却中"),
    ("jumped", "the clock was set; what is driven by time waits (`ifthen clock`)", "时钟被改动,定时动作已暂停(`ifthen clock`)"),
    ("restored", "the clock is right again", "时钟已恢复"),
    ("confirmed", "the clock is right as it is", "已确认时钟正确"),
    ("the clock was not set", "the clock was not set", "时钟未被改动"),
    ("inactive", "outside its dates", "不在生效期间"),
    ("nobody", "nobody is there to decide", "没有可审批的人"),
    ("own", "by whoever asked for it", "发起人本人"),
    ("repeated", "approved before", "之前已同意"),
    ("silence", "silenced", "已静默"),
    ("once", "once only", "只执行一次"),
    ("rearmed", "may fire again", "可再次执行"),
    ("limit", "as often as it may", "已达次数上限"),
    ("debounce", "waits for more", "防抖等待"),
    ("unsubscribed", "unsubscribed", "已退订"),
    ("complained", "called it spam", "已投诉"),
    ("bounced", "its mail came back for good", "硬退信"),
    ("consent", "consent is not given", "未同意接收"),
    ("delivery", "at once when it was delivered", "投递后立即发生"),
    ("links", "several links at once", "同时打开多个链接"),
    ("head", "a HEAD request", "HEAD 请求"),
    ("agent", "a known scanner", "已知的扫描程序"),
    ("prefetch", "fetched ahead", "预取"),
    ("no such mail", "of a mail that is not known (any more)", "邮件未知或已过期"),
    ("group", "waits for others", "等待合并"),
    ("quiet", "quiet hours", "静默时段"),
    ("import", "an import", "批量导入"),
    ("ended", "ended by hand", "人工结束"),
    ("over already", "over already", "已经过期"),
    ("too many silences", "too many silences", "静默过多"),
    ("no such silence", "there is no such silence", "没有这个静默"),
    ("rule gone", "the rule is gone", "规则已不存在"),
    ("rule disabled", "the rule is switched off", "规则已停用"),
    ("stop", "stopped by an earlier rule", "被前面的规则拦下"),
    ("exists", "is there already", "已存在"),
    ("no change", "no change", "无变化"),
    ("refused", "not taken over", "未采纳"),
    // Runs.
    ("its condition does not hold", "its condition does not hold", "条件不成立"),
    ("cannot be moved", "cannot be moved", "不能迁移"),
    ("no such run", "there is no such run", "没有这个运行"),
    ("it waits for no such event", "it waits for no such event", "它不等待这个事件"),
    ("it does not stand still", "it does not stand still", "运行没有停住,无需处理"),
    ("there is no such step", "there is no such step", "没有这一步"),
    ("what it did is being undone", "what it did is being undone", "正在撤销已做的事"),
    ("this flow cannot be recalled", "this flow cannot be recalled", "此流程不能撤回"),
    ("only who asked for it can recall it", "only who asked for it can recall it", "只有发起人可以撤回"),
    ("somebody has decided already", "somebody has decided already", "已有人处理,不能撤回"),
    ("no such flow", "there is no such flow any more", "流程已不存在"),
    ("it is on that version already", "it is on that version already", "已是当前版本"),
    ("there is no such step any more", "there is no such step any more", "新版本中没有这一步"),
    ("the step is another now: {}", "the step is another now: {}", "这一步已改为 {}"),
    ("it asks another form now: {}", "it asks another form now: {}", "这一步已改用表单 {}"),
    ("it is part of another branch now", "it is part of another branch now", "这一步已移到其他分支"),
    (
        "a branch is new while the others are under way: {}",
        "a branch is new while the others are under way: {}",
        "分支 {} 是新增的,而其他分支已在进行",
    ),
    (
        "what was done there could not be undone any more",
        "what was done there could not be undone any more",
        "这一步已做的事将无法撤销",
    ),
    ("it is being undone or looked up at this moment", "it is being undone or looked up at this moment", "正在撤销或核实"),
    ("the flow is about another entity now: {}", "the flow is about another entity now: {}", "流程现在针对 {}"),
    (
        "there is no run {}: it is through, or never was (`ifthen tail` tells)",
        "there is no run {}: it is through, or never was (`ifthen tail` tells)",
        "没有运行 {}:已结束或不存在(`ifthen tail` 查看)",
    ),
    ("merged", "merged", "已合并"),
    ("the same record", "they are the same record", "二者是同一条记录"),
    ("no such record", "there is no such record", "没有这条记录"),
    ("records of two entities", "they are of two entities", "二者属于不同的实体"),
    ("merged already", "was merged into another already", "已合并到其他记录"),
    ("too many ids", "too many ids would lead to one record", "指向同一条记录的编号过多"),
    ("too much was counted", "too much was counted for them to be moved in one go", "统计内容过多,无法一次转移"),
    ("not merged", "was not merged into another", "没有合并过"),
    ("merged on", "the record it was merged into was merged on; undo that first", "所并入的记录又被合并,请先拆分那一次"),
    (
        "windows are being filled",
        "windows are being filled from history; try again in a moment",
        "正在由历史填充统计窗口,请稍后再试",
    ),
    ("unevaluable", "cannot be evaluated", "无法判断"),
    ("past", "its time was over already, not made up for", "时间已过,不再补做"),
    ("no address", "no address to send to", "没有收件地址"),
    ("no channel", "no channel reaches them", "没有可用的通知渠道"),
    ("parked", "stopped here", "停在此步"),
    ("loop", "rules wake each other; rolled back", "规则互相触发,已回滚"),
    ("already runs", "runs already", "已在运行"),
    ("disabled", "the flow is switched off", "流程已停用"),
    ("late answer", "late answer, ignored", "迟到的应答,已忽略"),
    (
        "its run waits for it no more",
        "its run has ended, gone on without it or undone it: not sent",
        "运行已结束、已继续或已撤销,不再发送",
    ),
    (
        "more than {} steps: end it, and have parts of it be flows of their own",
        "more than {} steps: end it (`ifthen runs cancel`), and have parts of it be flows of their own (`start`)",
        "超过 {} 步:请结束运行(`ifthen runs cancel`),并把流程拆成几个(`start`)",
    ),
    ("more than {} steps without waiting for anything", "more than {} steps without waiting for anything", "连续 {} 步没有等待"),
    ("asked for", "asked for by hand", "人工重试"),
    ("edited", "edited by hand", "人工修改后重发"),
    ("discarded", "discarded by hand", "人工丢弃"),
    ("apart", "refused together, each is sent on its own", "合并发送被拒,改为逐条发送"),
    ("another kind", "the edited request is of another kind", "修改后的请求不是同一种类"),
    ("on its way", "on its way right now; try again in a moment", "正在发送,请稍后再试"),
    ("no such call", "there is no such call", "没有这个调用"),
    ("quarantined", "not understood, kept in quarantine", "无法识别,已隔离"),
    ("understood", "understood now, out of quarantine", "已识别,移出隔离区"),
    ("no such item", "is not in quarantine (any more)", "不在隔离区"),
    ("recovered", "can be read again", "已恢复读取"),
    ("does not compile", "does not compile, the old ones stay", "编译不通过,继续使用旧定义"),
    ("start", "at start", "启动"),
    ("entity", "there is no such entity", "没有这个实体"),
    ("not counted", "not counted", "未计入"),
    ("more than {} items would have to be kept", "more than {} items would have to be kept", "需要保留的内容超过 {} 条"),
    // Why a field was not taken over.
    ("older than what this source told last", "older than what it told last", "比上次的更旧"),
    ("kept by ifthen (from: ifthen)", "kept by ifthen", "只由 ifthen 写入"),
    ("kept by another source", "kept by another source", "由其他来源写入"),
    // Why something could not be done.
    ("this event is about no record", "this event is about no record", "此事件没有对应的记录"),
    ("`to` is empty", "`to` is empty", "收件人为空"),
    ("nobody to assign to", "nobody to assign to", "没有可分配的人"),
    ("division by zero", "division by zero", "除数为零"),
    ("nobody in team {} is active", "nobody in team {} is active", "团队 {} 没有在岗成员"),
    ("nobody to notify ({})", "nobody to notify ({})", "没有可通知的人({})"),
    ("there is no record {}", "there is no record {}", "没有记录 {}"),
    ("there is no team {}", "there is no team {}", "没有团队 {}"),
    ("there is no flow {}", "there is no flow {}", "没有流程 {}"),
    ("there is no connection {}", "there is no connection {}", "没有连接 {}"),
    ("there is no template {}", "there is no template {}", "没有模板 {}"),
    ("there is no entity {}", "there is no entity {}", "没有实体 {}"),
    ("the key field {} is empty", "the key field {} is empty", "主键字段 {} 为空"),
    ("more than {} steps from the first event", "more than {} steps from the first event", "超过 {} 层"),
    ("more than {} events from one", "more than {} events from one", "一个事件引出超过 {} 个事件"),
    ("the daemon stopped during the attempt", "the daemon stopped during the attempt", "发送途中程序停止"),
    (
        "{}: the event came too late, what counted then is no longer kept",
        "{}: the event came too late, what counted then is no longer kept",
        "{}:事件来得太晚,当时的统计已不再保留",
    ),
    (
        "{}: more than 20000 items would have to be kept",
        "{}: more than 20000 items would have to be kept",
        "{}:需要保留的内容超过 20000 条",
    ),
    ("{}: this event is about no record", "{}: this event is about no record", "{}:此事件没有对应的记录"),
    ("{} is missing", "{} is missing", "{} 没有值"),
    ("the result is out of range", "the result is out of range", "数值超出范围"),
    ("the text would be longer than {} KiB", "the text would be longer than {} KiB", "文本会超过 {} KiB"),
    ("the list would be longer than {}", "the list would be longer than {}", "列表会超过 {}"),
    (
        "the lists in it are too long to be looked at item by item",
        "its lists are too long to be looked at item by item",
        "其中的列表过长,无法逐项判断",
    ),
    ("the pattern is found more than {} times", "the pattern is found more than {} times", "正则匹配超过 {} 处"),
    ("`{}` is no time zone", "`{}` is no time zone", "`{}` 不是时区"),
    ("`{}` is no duration such as `3 months`", "`{}` is no duration such as `3 months`", "`{}` 不是时长(如 `3 months`)"),
    ("the lower bound is above the upper one", "the lower bound is above the upper one", "下界大于上界"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_holds_a_store() {
        let held =
            "another ifthen (process 7) is using data/ifthen.db; stop it first, or give this one a `data` folder of its own";
        let zh = "另一个 ifthen(进程 7) 正在使用 data/ifthen.db;请先停止它,或用 `data` 为本程序另设数据目录";
        assert_eq!((busy(Lang::En, held).as_str(), busy(Lang::Zh, held).as_str()), (held, zh));
        assert_eq!(busy(Lang::Zh, "something else"), "something else");
    }

    #[test]
    fn what_the_engine_says_has_two_languages() {
        for (text, en, zh) in [
            ("cooldown", "cooling down", "冷却中"),
            ("nobody in team 华东销售 is active", "nobody in team 华东销售 is active", "团队 华东销售 没有在岗成员"),
            ("amount is missing", "amount is missing", "amount 没有值"),
            ("421 try again later", "421 try again later", "421 try again later"),
            (" is missing", " is missing", " is missing"),
        ] {
            assert_eq!((Lang::En.said(text).as_ref(), Lang::Zh.said(text).as_ref()), (en, zh));
        }
    }
}
