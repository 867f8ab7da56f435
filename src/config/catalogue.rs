//! Every text that a problem of the YAML is told with, English and Chinese side by side, under a code that stays.
//!
//! Codes: E00x files · E01x the tree · E02x traps of YAML · E03x keys · E04x kinds of values · E05x what things refer to ·
//! E07x and E0Ax conditions and templates · E09x config.yaml · E0Cx tests. Texts without a code are parts of others.

/// One text in both languages; `{0}`, `{1}` are gaps.
#[derive(Debug)]
pub(super) struct Text {
    /// Empty for parts and helps.
    pub(super) code: &'static str,
    pub(super) en: &'static str,
    pub(super) zh: &'static str,
}

macro_rules! texts {
    ($($name:ident $code:literal $en:literal $zh:literal)*) => {
        $(pub(super) static $name: Text = Text { code: $code, en: $en, zh: $zh };)*
        #[cfg(test)]
        pub(super) static ALL: &[&Text] = &[$(&$name),*];
    };
}

texts! {
    // Triggers that are driven by time.
    K_SPAN "" "a length of time such as `24h`, `5d`, `3 months`, `8 working hours`, `2 working days`" "时长，如 `24h`、`5d`、`3 months`、`8 working hours`、`2 working days`"
    WHILE_CLOCK "E0D1" "`while` cannot ask for `{0}`: nothing would say when that changes" "`while` 不能使用 `{0}`：它变化时不会有任何事件"
    WHILE_CLOCK_HELP "" "say how long with `for:` and from when with `since:`, or compare in `if:`, which is judged when the time is over" "用 `for:` 写持续多久、用 `since:` 写从何时算起；或写在到时才判断的 `if:` 里"
    WHILE_EVENT "E0D2" "`while` is about the record alone; there is no `{0}` here" "`while` 只看记录本身，这里没有 `{0}`"
    WHILE_EVENT_HELP "" "name a field; a rule can set one when the event comes" "请使用字段；可以用规则在事件发生时写入字段"
    WHILE_REFERENCE "E0D3" "`while` cannot follow `{0}` to another record: changes over there would not be noticed" "`while` 不能引用另一条记录的 `{0}`：那边的变化不会被注意到"
    WHILE_REFERENCE_HELP "" "copy it into a field of this record with a rule, or ask for it in `if:`" "用规则把它写入本记录的字段，或写在 `if:` 里"
    BAD_OFFSET "E0D4" "`{0}` is no offset" "`{0}` 不是有效的偏移"
    OFFSET_HELP "" "write `-1d`, `+2h`, `-2 working days`" "请写 `-1d`、`+2h`、`-2 working days`"
    NOT_A_TIME "E0D5" "the field `{0}` holds no time" "字段 `{0}` 不是时间"
    CRON_FIELDS "E0D6" "a cron expression has five fields, this has {0}" "cron 表达式应有五段，这里有 {0} 段"
    CRON_PART "E0D7" "`{0}` does not fit {1}" "`{0}` 不能用于{1}"
    CRON_HELP "" "minute, hour, day, month, weekday (0 or 7 is Sunday, 1 Monday): `30 9 * * 1-5`" "依次为分、时、日、月、星期(0 或 7 为周日，1 为周一)：`30 9 * * 1-5`"
    CRON_IMPOSSIBLE "E0D8" "`{0}` never comes: there is no such day" "`{0}` 永远不会到来：没有这样的日期"
    CRON_IMPOSSIBLE_HELP "" "for the last day of a month run on the 1st, or daily with an `if:`" "要在月末执行，可在每月 1 日执行，或每天执行并加 `if:`"
    CRON_ALIAS "E0D9" "`{0}` means nothing" "不认识 `{0}`"
    TOO_OFTEN "E0DA" "`every` must be a second or more" "`every` 至少为一秒"
    BAD_MISSED "E0DB" "`{0}` does not say what becomes of missed ticks" "`{0}` 没有说明如何处理错过的时刻"
    MISSED_HELP "" "`skip`, `latest`, `all`, or `latest within 1d`, `all within 12h`" "可写 `skip`、`latest`、`all`，或 `latest within 1d`、`all within 12h`"
    BAD_EXISTING "E0DC" "`{0}` does not say what becomes of existing records" "`{0}` 没有说明如何处理已有的记录"
    EXISTING_HELP "" "`skip` (unless said), `fire`, or `spread over 2h`" "可写 `skip`(默认)、`fire` 或 `spread over 2h`"
    WARN_TOO_EARLY "E0DD" "a warning {0} before the end of {1} comes before its beginning" "提前 {0} 预警早于 {1} 的起点"
    WARN_OF_WHAT "E0DE" "there is nothing to warn of: no trigger with `for` or `at`" "没有可预警的时间：触发条件中没有 `for` 或 `at`"
    EXISTING_OF_WHAT "E0DF" "`existing` says nothing here: no trigger with `for` or `at`" "`existing` 在此无效：触发条件中没有 `for` 或 `at`"

    // The report itself.
    HELP "" "help" "帮助"
    PROBLEM "" "{0} problem" "{0} 个问题，"
    PROBLEMS "" "{0} problems" "{0} 个问题，"
    FILES_ONE "" " in {0} file" "涉及 {0} 个文件"
    FILES "" " in {0} files" "涉及 {0} 个文件"
    FIRST_HERE "" "first here" "第一次在这里"

    // Files.
    SYNTAX "E001" "this is not valid YAML: {0}" "YAML 语法错误：{0}"
    SYNTAX_COLON "" "a `:` with a blank behind it where none can be" "此处不能出现后跟空格的 `:`"
    SYNTAX_COLON_HELP "" "the line before may be indented wrongly, or the text needs quotes" "可能是上一行缩进有误，或者这段文字需要加引号"
    SYNTAX_QUOTE "" "a quote is not closed" "引号没有闭合"
    SYNTAX_INDENT "" "the indentation does not match the lines around it" "缩进与前后的行不一致"
    SYNTAX_INDENT_HELP "" "keys of one level begin in the same column" "同一层级的键必须从同一列开始"
    SYNTAX_NO_COLON "" "the colon behind `{0}` is missing" "`{0}` 后面缺少冒号"
    SYNTAX_FLOW "" "a `,` or the closing bracket is missing" "缺少 `,` 或右括号"
    SYNTAX_FLOW_HELP "" "quote the text when it holds brackets, commas or colons" "文字里含有括号、逗号或冒号时请加引号"
    UNREADABLE "E002" "the file cannot be read: {0}" "无法读取文件：{0}"
    NOT_UTF8 "E003" "the file is not UTF-8 text" "文件不是 UTF-8 编码的文本"
    NOT_UTF8_HELP "" "save it as UTF-8 (an editor's \"save with encoding\"; files from older Windows programs are GBK)" "请另存为 UTF-8 编码(旧的 Windows 程序保存的通常是 GBK)"
    TOO_LARGE "E004" "the file is larger than {0} bytes" "文件超过 {0} 字节"
    CONTROL "E005" "a control character ({0}) that no text needs" "文件中有不应出现的控制字符({0})"
    FOLDER_MISSING "E006" "the folder `{0}` of `definitions:` is not there" "`definitions:` 中的文件夹 `{0}` 不存在"
    NO_CONFIG "E007" "there is no configuration file `{0}`" "找不到配置文件 `{0}`"
    NO_CONFIG_HELP "" "name it with `-c`, or begin with `ifthen init`" "请用 `-c` 指定，或先运行 `ifthen init`"
    TOO_MANY_FILES "E008" "more than {0} files" "文件超过 {0} 个"
    BROKEN_LINK "E009" "the link to `{0}` cannot be followed: {1}" "无法打开链接，它指向 `{0}`：{1}"

    // The tree.
    DUPLICATE_KEY "E010" "the key `{0}` stands twice" "键 `{0}` 重复出现"
    MERGE_KEY "E011" "merge keys (`<<`) are not read" "不支持合并键(`<<`)"
    MERGE_HELP "" "write the keys out" "请把各个键直接写出来"
    SECOND_DOCUMENT "E012" "a second document begins here; a file holds one" "这里开始了第二个文档；一个文件只能有一个"
    KEY_IS_NO_TEXT "E013" "a key must be a text" "键必须是文本"
    TOO_DEEP "E014" "nested deeper than {0}" "嵌套超过 {0} 层"
    TOO_MANY_NODES "E015" "more than {0} values in one file" "一个文件中的值超过 {0} 个"
    TOO_MANY_PROBLEMS "E017" "more than {0} problems; the rest of the file was not read" "问题超过 {0} 个，文件的其余部分没有读取"
    NOT_A_MAP "E016" "the file must hold keys such as {0}" "文件内容应由 {0} 等键组成"

    // Traps.
    QUOTE_IT "" "quote it: {0}" "请加引号：{0}"
    COMMENT_HELP "" "or, if it is a comment, put a blank behind the `#`" "如果是注释，请在 `#` 后面加一个空格"
    WRITE_INSTEAD "" "write `{0}`" "请写成 `{0}`"
    TAG "E020" "YAML takes what begins with `!` for a tag, and this part would vanish" "YAML 会把以 `!` 开头的内容当作标签，这一部分会被丢掉"
    ANCHOR "E021" "YAML takes what begins with `&` for an anchor; anchors are not read" "YAML 会把以 `&` 开头的内容当作锚点；不支持锚点"
    ALIAS "E022" "YAML takes what begins with `*` for an alias; aliases are not read" "YAML 会把以 `*` 开头的内容当作别名；不支持别名"
    BAR "E023" "YAML takes `|` and `>` at the start for the head of a block of text" "YAML 会把开头的 `|` 或 `>` 当作多行文本的标记"
    RESERVED "E024" "YAML keeps this character for itself; no text may begin with it" "YAML 保留了这个字符，文本不能以它开头"
    QUOTED_START "E025" "the text ends at its second quote, what follows is lost to YAML" "文本在第二个引号处就结束了，后面的内容 YAML 读不到"
    BRACKET_START "E026" "the list or object ends at its bracket, what follows is lost to YAML" "列表或对象在右括号处就结束了，后面的内容 YAML 读不到"
    COLON_IN_PLAIN "E027" "`: ` inside a text without quotes makes it a key" "未加引号的文本里出现 `: `，会被当作键"
    HASH_IN_PLAIN "E028" "` #` begins a comment: the text would be cut off here" "` #` 会被当作注释的开头，文本从这里被截断"
    UNQUOTED_TEMPLATE "E029" "without quotes `{{ … }}` is an object to YAML, not a template" "不加引号时，`{{ … }}` 会被 YAML 当作对象而不是模板"
    CRON "E02A" "YAML takes the `*` at the start for an alias" "YAML 会把开头的 `*` 当作别名"
    CUT_AT_COMMA "E02B" "inside `{ }` the comma ends the value: the condition is cut off" "在 `{ }` 里逗号会结束这个值：条件被截断了"
    CUT_AT_BRACKET "E02C" "inside `{ }` or `[ ]` a bracket ends the value: the text is cut off" "在 `{ }` 或 `[ ]` 里括号会结束这个值：文本被截断了"
    FULL_WIDTH_COLON "E02D" "the full-width colon `：` behind `{0}` makes no key" "`{0}` 后面是全角冒号 `：`，不能构成键"
    COLON_WITHOUT_BLANK "E02L" "without a blank behind it, the `:` behind `{0}` makes no key" "`{0}` 的 `:` 后面没有空格，不能构成键"
    FULL_WIDTH_COMMA "E02E" "the full-width comma `，` separates nothing" "全角逗号 `，` 不能用作分隔"
    IDEOGRAPHIC_SPACE "E02F" "the indentation holds full-width spaces (U+3000)" "缩进中有全角空格(U+3000)"
    TAB "E02G" "the indentation holds a tab" "缩进中有制表符(Tab)"
    INDENT_HELP "" "indent with blanks only" "请只用半角空格缩进"
    UNCLOSED "E02H" "this `{0}` is not closed" "这个 `{0}` 没有闭合"
    DASH_WITHOUT_BLANK "E02J" "without a blank behind it, `-` begins no item" "`-` 后面没有空格，不能表示列表项"
    DASH_BEHIND_KEY "E02K" "a list cannot begin on the line of its key" "列表不能写在键的同一行"
    DASH_HELP "" "put it on the next line, or write `[ … ]`" "请另起一行，或写成 `[ … ]`"
    ELSE_IN_LIST "E02I" "`else` stands inside the list of `then`" "`else` 写进了 `then` 的列表里"
    ELSE_HELP "" "put `else:` in the same column as `then:`, without `- `" "请把 `else:` 与 `then:` 对齐，前面不要 `- `"

    // Keys.
    UNKNOWN_KEY "E030" "unknown key `{0}` in {1}" "{1}中没有 `{0}` 这个键"
    DID_YOU_MEAN "" "did you mean `{0}`?" "是不是想写 `{0}`？"
    KNOWN_KEYS "" "known here: {0}" "这里可用的有：{0}"
    STEP_ONLY "E03A" "`{0}` belongs to the steps of a flow" "`{0}` 只能用于流程的步骤"
    STEP_HELP "" "only in a flow: put it there and use `start:`" "只能写在流程里：请放到 `flows:` 中，再用 `start:` 启动"
    NOT_YET "E031" "`{0}` is not available in this version" "此版本尚不支持 `{0}`"
    MISSING_KEY "E032" "{1} needs `{0}`" "{1}缺少 `{0}`"
    MISSING_ONE "E033" "{1} needs one of {0}" "{1}需要以下之一：{0}"
    TOO_MANY "E034" "{1} takes one of {0}, not several" "{1}只能有一个：{0}"
    ONE_ACTION "" "begin a second item with `- `" "第二个动作请另起一项，以 `- ` 开头"
    EMPTY "E035" "nothing stands behind `{0}`" "`{0}` 后面没有值"
    DEEPER_HELP "" "indent what belongs to `{0}` deeper than it" "属于 `{0}` 的内容要比它缩进得更深"
    EMPTY_ITEM "E036" "an item with nothing in it" "列表中有空项"
    EMPTY_HELP "" "give it a value, or take the line out" "请填写值，或删掉这一行"
    BAD_ID "E037" "`{0}` cannot be a name here: letters, digits, `_` and `-`{1}" "`{0}` 不能用作名称：只能用文字、数字、`_` 和 `-`{1}"
    RESERVED_NAME "E038" "the name `{0}` means something else in conditions" "名称 `{0}` 在条件中另有含义"
    TWICE "E039" "{0} `{1}` is defined twice" "{0} `{1}` 定义了两次"

    // Kinds of values.
    EXPECTED "E040" "{0} expected, not {1}" "这里应为：{0}；现在是：{1}"
    K_TEXT "" "a text" "文本"
    K_NAME "" "a name" "名称"
    K_LIST "" "a list" "列表"
    K_MAP "" "an object (`key: value`)" "对象(`键: 值`)"
    K_TEXT_OR_MAP "" "a text or an object" "文本或对象"
    K_BOOL "" "`true` or `false`" "`true` 或 `false`"
    K_COUNT "" "a whole number from {0} to {1}" "{0} 到 {1} 之间的整数"
    K_DURATION "" "a duration such as `90s`, `15m`, `24h`, `5d`, `2w`" "时长，如 `90s`、`15m`、`24h`、`5d`、`2w`"
    K_RATE "" "a rate such as `20/1m`" "速率，如 `20/1m`"
    K_ONE_OF "" "one of {0}" "以下之一：{0}"
    K_ADDRESS "" "an address such as `127.0.0.1:8780`" "监听地址，如 `127.0.0.1:8780`"
    K_NETWORK "" "a network such as `10.0.0.0/8`" "网段，如 `10.0.0.0/8`"
    K_ZONE "" "an IANA time zone such as `Asia/Shanghai`" "IANA 时区，如 `Asia/Shanghai`"
    K_URL "" "an http(s) address" "http(s) 地址"
    K_COUNTRY "" "a country of two letters such as `CN`" "两个字母的国家代码，如 `CN`"
    K_MAILBOX "" "a mailbox such as `sales@example.com` or `Sales <sales@example.com>`" "邮箱，如 `sales@example.com` 或 `销售部 <sales@example.com>`"
    K_FOUND_LIST "" "a list" "列表"
    K_FOUND_MAP "" "an object" "对象"
    K_CHOICE "" "the choice" "可选值"
    K_STEP "" "the step" "步骤"
    H_PHONE "" "a phone number such as 13800138000" "电话号码，如 13800138000"
    H_EMAIL "" "a mail address such as zhang@example.com" "邮箱地址，如 zhang@example.com"
    H_NUMBER "" "a number such as 1234.5" "数字，如 1234.5"
    H_MONEY "" "an amount such as 1234.50" "金额，如 1234.50"
    H_PERCENT "" "a share such as 0.22 or 22%" "比例，如 0.22 或 22%"
    H_TIME "" "a time such as 2026-09-21 09:00" "时间，如 2026-09-21 09:00"
    H_DATE "" "a day such as 2026-09-21" "日期，如 2026-09-21"
    H_ID "" "an id" "标识"
    LIST_HELP "" "put it in a list: `- …`" "请写成列表：`- …`"
    FIELD_VALUE "E041" "the field `{0}` holds {1}, not `{2}`" "字段 `{0}` 的值应为{1}，而不是 `{2}`"
    NOTHING_IN "E042" "{0} has nothing in it" "{0}是空的"
    NO_ACTION "E043" "the rule `{0}` does nothing: neither `then` nor `else`" "规则 `{0}` 没有 `then` 也没有 `else`，什么都不做"
    NOT_A_LANGUAGE "E044" "`{0}` is no language such as `zh` or `en`" "`{0}` 不是语言代码(如 `zh`、`en`)"
    TEMPLATE_AND_TEXT "E045" "the content comes from `template`, so this would not be used" "内容取自 `template`，这一项不会被使用"
    CREATE_ONE "E046" "`create` makes one record: `create: { deal: { … } }`" "`create` 一次新建一条记录：`create: { deal: { … } }`"

    // References.
    UNKNOWN_ENTITY "E050" "there is no entity `{0}`" "没有名为 `{0}` 的实体"
    UNKNOWN_FIELD "E051" "the entity `{1}` has no field `{0}`" "实体 `{1}` 没有字段 `{0}`"
    UNKNOWN_PERSON "E052" "there is no person `{0}` in `people:`" "`people:` 中没有 `{0}`"
    UNKNOWN_TEAM "E053" "there is no team `{0}` in `teams:`" "`teams:` 中没有团队 `{0}`"
    UNKNOWN_TEMPLATE "E054" "there is no template `{0}` in `templates:`" "`templates:` 中没有模板 `{0}`"
    UNKNOWN_FLOW "E055" "there is no flow `{0}` in `flows:`" "`flows:` 中没有流程 `{0}`"
    UNKNOWN_CONNECTION "E056" "there is no connection `{0}` in config.yaml" "config.yaml 中没有连接 `{0}`"
    WRONG_CONNECTION "E057" "the connection `{0}` is of kind `{1}`, `{2}` is needed here" "连接 `{0}` 的类型是 `{1}`，这里需要 `{2}`"
    NO_CONNECTION "E058" "no `{0}` connection can be taken by itself" "无法自动确定使用哪个 `{0}` 连接"
    NO_CONNECTION_HELP "" "name one: `{0}: …`; in config.yaml there is {1}" "请写明 `{0}: …`；config.yaml 中有：{1}"
    NONE "" "none" "无"
    UNKNOWN_SOURCE "E059" "there is no source `{0}` in config.yaml" "config.yaml 中没有来源 `{0}`"
    UNKNOWN_ROLE "E05A" "nobody in `people:` has the role `{0}`" "`people:` 中没有人担任角色 `{0}`"
    NOT_A_WHO "E05B" "`{0}` names nobody" "`{0}` 不能表示收件人"
    QUOTE_TEXT "" "if it is text, write `'{0}'` in quotes" "如果是文本，请加引号：`'{0}'`"
    WHO_HELP "" "a person field (`owner`, `owner.manager`), `role:…`, `team:…` or `user:…`" "可用：人员字段(`owner`、`owner.manager`)、`role:…`、`team:…` 或 `user:…`"
    NOT_A_PERSON_FIELD "E05C" "the field `{0}` holds no person" "字段 `{0}` 不是人员字段"
    RESERVED_EVENT "E05D" "the event `{0}` comes from record changes only; nothing else may emit it" "事件 `{0}` 只由记录变化产生，不能主动发出"
    BAD_EVENT "E05E" "`{0}` is no event name" "`{0}` 不是有效的事件名"
    EVENT_HELP "" "words joined by dots: `lead.created`{0}" "用点连接的词：`lead.created`{0}"
    EVENT_GLOB "" "; `*` stands for anything" "；`*` 表示任意内容"
    UNKNOWN_EVENT "E05F" "nothing ever says `{0}`" "没有任何地方会产生事件 `{0}`"
    CHANGED_FORM "E05G" "`{0}` names no field" "`{0}` 没有指明字段"
    CHANGED_HELP "" "entity and field: `deal.stage`" "请写实体和字段：`deal.stage`"
    UNKNOWN_CONSTANT "E05H" "the definitions have no constant `{0}`" "定义中没有常量 `{0}`"
    NOT_A_CHOICE "E05I" "`{0}` is none of the choices of `{1}`: {2}" "`{0}` 不在 `{1}` 的可选值中：{2}"
    KEY_FIELD_MISSING "E05J" "the key field `{0}` of the new `{1}` is missing" "新建的 `{1}` 缺少主键字段 `{0}`"
    KEY_FIELD_SET "E05K" "the key field `{0}` cannot be changed" "主键字段 `{0}` 不能修改"
    OPTION_NEEDED "E05L" "a `{0}` field needs `{1}`" "`{0}` 类型的字段需要 `{1}`"
    OPTION_SENSELESS "E05M" "`{1}` means nothing for a `{0}` field" "`{1}` 对 `{0}` 类型的字段没有意义"
    RELATIVE_URL "E05N" "`{0}` is no whole address, and no connection with a `base` is named" "`{0}` 不是完整地址，且没有指定带 `base` 的连接"
    OWN_MANAGER "E05P" "`{0}` is their own manager" "`{0}` 的上级是自己"
    UNKNOWN_CHANNEL "E05Q" "people cannot be reached over the `{1}` connection `{0}`" "不能通过 `{1}` 连接 `{0}` 通知人员"
    SECRET_IN_DEFINITIONS "E05R" "`${…}` is replaced in config.yaml only; here it would be sent as it stands" "`${…}` 只在 config.yaml 中替换；写在这里会原样发出"
    OTHER_ENTITY "E05S" "the flow `{0}` is about `{1}`, this is about {2}" "流程 `{0}` 针对 `{1}`，而这里是 {2}"
    EVENT_OF_OTHER "E05T" "`{0}` is about `{1}`, the flow about `{2}`" "`{0}` 针对 `{1}`，而流程针对 `{2}`"
    NO_SUCH_EVENT_YET "E05U" "nothing says `{0}` in this version" "此版本还不会产生事件 `{0}`"
    EVENT_OF_WHICH "" "of which entity? {0}" "是哪个实体？{0}"
    ONE_TEXT "E05V" "without brackets this is one text, comma and all" "不加方括号时，这是一个整体文本，逗号也在其中"
    SHADOWED "E05W" "the constant `{0}` has the name of a field of `{1}`; only one of them could be meant" "常量 `{0}` 与实体 `{1}` 的字段同名，无法同时使用"
    SHADOWED_HELP "" "give the constant another name" "请给常量换一个名称"

    // Conditions and templates.
    UNKNOWN_NAME "E070" "`{0}` means nothing here" "这里没有 `{0}` 这个名称"
    UNKNOWN_NAME_OF "E071" "the entity `{1}` has nothing called `{0}`" "实体 `{1}` 没有 `{0}`"
    UNKNOWN_FUNCTION "E072" "there is no function `{0}`" "没有函数 `{0}`"
    EXPR_TOO_LONG "E073" "longer than {0} bytes" "超过 {0} 字节"
    DASHED_NAME "E074" "`{0}` is read as a subtraction" "`{0}` 会被当作减法"
    TOO_MANY_OPERATORS "E075" "more than {0} operators in one condition" "一个条件中的运算符超过 {0} 个"
    EXPR_TOO_DEEP "E076" "brackets nested deeper than {0}" "括号嵌套超过 {0} 层"
    EXPR_EMPTY "E077" "nothing to evaluate" "没有内容"
    INSTEAD "E078" "`{0}` stands where `{1}` is meant" "这里的 `{0}` 应写成 `{1}`"
    ASSIGNMENT "E079" "`{0}` changes a value; a condition only asks" "`{0}` 会修改值；条件只能判断"
    SEMICOLON "E07A" "`;` separates nothing; a condition is one expression" "条件是一个表达式，不能用 `;` 分隔"
    BRACES "E07B" "`{0}` belongs in templates; names stand bare in conditions" "`{0}` 只用于模板；条件中直接写名称"
    UNEXPECTED_CHARACTER "E07C" "`{0}` means nothing in a condition" "条件中不能出现 `{0}`"
    UNTERMINATED_TEXT "E07D" "the text that begins with {0} has no closing quote" "以 {0} 开头的文本缺少结束引号"
    BAD_NUMBER "E07E" "`{0}` is no number" "`{0}` 不是数字"
    NUMBER_RANGE "E07F" "the number `{0}` is too large or has more than 28 digits" "数字 `{0}` 过大或超过 28 位"
    BAD_INDEX "E07G" "between the brackets one number or one quoted text must stand" "方括号中只能是一个数字或一个带引号的文本"
    UNCLOSED_BRACKET "E07H" "this `{0}` is never closed" "这个 `{0}` 没有闭合"
    UNOPENED_BRACKET "E07I" "this `{0}` closes nothing" "这个 `{0}` 没有对应的左括号"
    MISSING_VALUE "E07J" "`{0}` lacks a value on one side" "`{0}` 的一侧缺少值"
    MISSING_OPERATOR "E07K" "two values with nothing between them" "两个值之间缺少运算符"
    OPERATORS_HELP "" "`and`, `or`, `==`, `!=`, `<`, `>`, `in`, …" "可用 `and`、`or`、`==`、`!=`、`<`、`>`、`in` 等"
    EMPTY_BRACKETS "E07L" "nothing stands between the brackets or commas" "括号或逗号之间没有内容"
    STRAY_COMMA "E07M" "a comma means nothing here" "这里不能有逗号"
    NULL "E07N" "`{0}` cannot be compared with" "不能与 `{0}` 比较"
    NULL_HELP "" "`is_empty(x)` asks whether something is there" "请用 `is_empty(x)` 判断是否为空"
    CHAINED "E07O" "two comparisons in a row" "不能连续比较"
    CHAINED_HELP "" "`a < b and b < c`" "请写成 `a < b and b < c`"
    NOT_A_LIST "E07P" "what stands after `in` is never a list" "`in` 后面不是列表"
    IN_HELP "" "`level in ('A', 'B')`; for a part of a text: `contains(text, part)`" "请写成 `level in ('A', 'B')`；判断文本包含请用 `contains(文本, 部分)`"
    ARGUMENTS "E07Q" "`{0}` takes {1} arguments, not {2}" "`{0}` 需要 {1} 个参数，而不是 {2} 个"
    PATTERN_NOT_TEXT "E07R" "the pattern of `matches` must be a quoted text" "`matches` 的模式必须是带引号的文本"
    BAD_PATTERN "E07S" "the pattern cannot be read: {0}" "无法解析模式：{0}"
    NOT_A_FIELD "E07T" "`changed(…)` takes the name of a field" "`changed(…)` 的参数必须是字段名"
    NOT_A_CONDITION "E07U" "this is neither true nor false" "这不是一个判断，没有真假"
    LEADING_EQUALS "E07Z" "an `if` does not begin with `=`" "`if` 不以 `=` 开头"
    LEADING_EQUALS_HELP "" "drop the `=` at the start: `if` is an expression already" "请去掉开头的 `=`：`if` 本身就是表达式"
    TEMPLATE_SYNTAX "E07V" "the template cannot be read: {0}" "模板语法错误：{0}"
    UNKNOWN_FILTER "E07W" "there is no filter `{0}`" "没有过滤器 `{0}`"
    UNKNOWN_TEST "E07X" "there is no test `{0}`" "没有测试 `{0}`"
    NOT_IN_TEMPLATES "E07Y" "`{0}` is not to be had in templates here" "模板中不支持 `{0}`"
    BARE_VALUE "E0A0" "here stands a value that is neither true nor false" "这里只是一个值，没有真假"
    BARE_VALUE_HELP "" "write each comparison out: `a == 'x' or a == 'y'`" "每个比较都要写完整：`a == 'x' or a == 'y'`"
    EMPTY_TEXT "E0A1" "what is missing is no empty text, so this does not ask whether something is there" "没有填写的字段不等于空文本，这样不能判断是否为空"
    STARTS_AS_EXPRESSION "E0A2" "what begins with `=` is sent as it stands here: this is a text with `{{ }}`, not an expression" "这里是文本，以 `=` 开头的内容会原样发出；文本里请用 `{{ }}`"

    // config.yaml.
    LITERAL_SECRET "E090" "`{0}` is a secret and must not be written out" "`{0}` 是机密，不能直接写在文件里"
    SECRET_HELP "" "write `${env:NAME}` or `${file:path}`" "请写成 `${env:名称}` 或 `${file:路径}`"
    ENV_MISSING "E091" "the environment has no `{0}`" "环境变量 `{0}` 未设置"
    ENV_HELP "" "set it, or check without it: `ifthen check --no-environment`" "请设置它；只做检查时可用 `ifthen check --no-environment`"
    FILE_MISSING "E092" "the secret's file `{0}` cannot be read: {1}" "无法读取机密文件 `{0}`：{1}"
    SECRET_EMPTY "E093" "`{0}` is empty" "`{0}` 是空的"
    BAD_PLACEHOLDER "E094" "`{0}` is no placeholder" "`{0}` 不是有效的占位符"
    CREDENTIALS_IN_URL "E095" "user and password must not stand in an address" "用户名和密码不能写在地址里"
    DUPLICATE_FOLDER "E096" "the folder `{0}` is named twice" "文件夹 `{0}` 写了两次"
    HEADER_NAME "E097" "`{0}` is no header name" "`{0}` 不是有效的请求头名称"
    KEY_NOT_MAPPED "E098" "the key field `{0}` of `{1}` is not told from the payload" "没有从数据中取 `{1}` 的主键字段 `{0}`"
    TOKEN_OR_URL "E09A" "either `url` or `{0}`, not both" "`url` 和 `{0}` 只能写一个"
    SELECT_ONLY "E09B" "the query must be one `SELECT`" "查询必须是一条 `SELECT`"
    NEEDED_LIVE "E09C" "{1} needs `{0}` unless `deliver: preview`" "除非写了 `deliver: preview`，{1}需要 `{0}`"
    BAD_KEY "E09G" "the secret is not Base64 behind `whsec_`" "机密不是 `whsec_` 后接 Base64 的形式"
    SIGNED_HELP "" "`{body}`, `{timestamp}`, `{id}`, `{method}`, `{path}`" "可用 `{body}`、`{timestamp}`、`{id}`、`{method}`、`{path}`"
    SIGNED_WITHOUT_BODY "E09F" "what is signed must hold `{body}`" "签名内容必须包含 `{body}`"

    // Tests.
    TIME_BACK "E0C0" "the step before was at {0}; time does not go back" "上一步的时间是 {0}，时间不能倒退"
    AT_AND_AFTER "E0C1" "either `at` or `after`, not both" "`at` 和 `after` 只能写一个"
    TELL_ONE "E0C2" "`tell` is about one record: `tell: { lead: { id: L1, … } }`" "`tell` 一次告知一条记录：`tell: { lead: { id: L1, … } }`"
    TEST_KEY_MISSING "E0C3" "the key field `{0}` of this `{1}` is missing" "这条 `{1}` 缺少主键字段 `{0}`"
    NOT_A_RECORD "E0C4" "`{0}` names no record; write entity and id: `lead/L1`" "`{0}` 不能表示记录，请写实体和标识：`lead/L1`"
    UNKNOWN_RULE "E0C5" "there is no rule `{0}` in `rules:`" "`rules:` 中没有规则 `{0}`"
    NOBODY_DOES "E0C6" "`{0}` is no rule, flow or action" "`{0}` 不是规则、流程或动作"
    TIMES_OF_NOTHING "E0C7" "`times` needs something that happens: `event`, `tell` or `post`" "`times` 需要配合 `event`、`tell` 或 `post` 使用"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_both_languages_have_the_same_gaps() {
        let mut codes: Vec<_> = ALL.iter().map(|t| t.code).filter(|c| !c.is_empty()).collect();
        codes.sort_unstable();
        assert!(codes.windows(2).all(|w| w[0] != w[1]));
        for text in ALL {
            for n in 0..4 {
                let gap = format!("{{{n}}}");
                assert_eq!(text.en.contains(&gap), text.zh.contains(&gap), "{} {}", text.code, text.en);
            }
        }
    }
}
