//! Each trap, and what must not be taken for one.

use super::*;

fn traps(yaml: &str) -> Vec<(&'static str, usize, usize)> {
    let sink = Sink::default();
    scan(&Text::new("x.yaml".into(), yaml, false), 0, &sink);
    sink.take().iter().map(|p| (p.code(), p.position().0, p.position().1)).collect()
}

fn check(yaml: &str, code: &str, line: usize, column: usize) {
    assert_eq!(traps(yaml), [(code, line, column)], "{yaml}");
}

#[test]
fn each_trap_is_told() {
    check("if: !is_empty(email) and x", "E020", 1, 5);
    check("- if: &a == 3", "E021", 1, 7);
    check("if: *a == 3", "E022", 1, 5);
    check("if: | x", "E023", 1, 5);
    check("if: > 3", "E023", 1, 5);
    check("log: @x", "E024", 1, 6);
    check("- \"VIP\" == level", "E025", 1, 9);
    check("if: 'VIP' == level", "E025", 1, 11);
    check("{ if: 'VIP' == level, then: x }", "E025", 1, 13);
    check("- [重要] 请", "E026", 1, 8);
    check("text: 注意: 明天", "E027", 1, 9);
    check("{ text: 注意: 明天, who: x }", "E027", 1, 11);
    check("text: 工单 #{{ id }}", "E028", 1, 10);
    check("text: 工单 # {{ id }}", "E028", 1, 10);
    check("if: name == 'a # b'", "E028", 1, 16);
    check("{ text: 工单 #12 }", "E028", 1, 12);
    check("to: {{ email }}", "E029", 1, 5);
    check("- {{ a }} b", "E029", 1, 3);
    check("{ to: {{ email }}, x: y }", "E029", 1, 7);
    check("{ text: 你好 {{ a, b }}, x: y }", "E029", 1, 9);
    check("cron: */5 * * * *", "E02A", 1, 7);
    check("cron: * * * * 1-5", "E02A", 1, 7);
    check("{ cron: */5 * * * *, x: y }", "E02A", 1, 9);
    check("{ if: a in (1, 2), then: x }", "E02B", 1, 7);
    check("{ if: a in ('x', 'y') and b, then: x }", "E02B", 1, 7);
    check("{ text: 见 [1], who: x }", "E02C", 1, 9);
    check("if：amount > 3", "E02D", 1, 3);
    check("a: 1\n客户：b", "E02D", 2, 3);
    check("{ who：x, a: b }", "E02D", 1, 6);
    check("{ a: b， c: d }", "E02E", 1, 7);
    check("[甲，乙]", "E02E", 1, 3);
    check("a:\n　b: c", "E02F", 2, 1);
    check("a:\n\tb: c", "E02G", 2, 1);
    check("a: [ b\nc: d", "E02H", 1, 4);
    check("a: { b: c", "E02H", 1, 4);
    check("a:\n  - b: \"c\n  - d: \"e\"", "E02H", 2, 8);
    check("- a: b\n-log: x", "E02J", 2, 1);
    check("then: - log: x", "E02K", 1, 7);
    check("a: 'b\nc: d", "E02H", 1, 4);
    check("a: b\nif:c == 'x'", "E02L", 2, 3);
    check("r:\n  when:lead.created\n  if: x", "E02L", 2, 7);
    check("- log:hello", "E02L", 1, 6);
    check("{ a: b, tag:x }", "E02L", 1, 12);
    check("a: 1\n客户:b", "E02L", 2, 3);
    check("{ subject: \"x\"，text: \"y\" }", "E02E", 1, 15);
    check("text: |\n\tabc", "E02G", 2, 1);
    check("{ a: b,\n\tc: d }", "E02G", 2, 1);
    check("a: [ 'b, c ]\nd: e", "E02H", 1, 6);
    check("- log: 新线索来了\n    工单 #12 紧急", "E028", 2, 8);
    check("- log: 新线索来了\n    请看\n    工单 #{{ id }}", "E028", 3, 8);
    check("- log:\n    新线索\n    工单 #12", "E028", 3, 8);
    check("- 新线索\n  工单 #12 紧急", "E028", 2, 6);
    check("-\n  新线索\n  工单 #12 紧急", "E028", 3, 6);
    check("text: 新线索\n  #12 紧急\nto: x", "E028", 2, 3);
    check("a:\n  when: x\n  if source == 'a'\n  then: y", "E001", 3, 3);
    check("a:\n  if source == 'a'\n  when: x", "E001", 2, 3);
    check("a:\n  when: x\n  then:\n    - log: x\n  if source == 'a'", "E001", 5, 3);
}

#[test]
fn good_yaml_is_left_alone() {
    for yaml in [
        "a: b   # comment",
        "a: b # comment: with a colon",
        "a: b  #注释",
        "when: lead.created      # an event name, a list, or `x`",
        "text: \"x # y: z\" # why",
        "text: 你好：世界，再见",
        "text: 第一行\n  注意：明天",
        "{ who: owner, text: 你好，世界 } # c",
        "a: [x, 'y, z', \"{{ b }}\"]",
        "a: [\n  x, # one\n  y,\n]\nb: c",
        "a: { b: [1, { c: d }],\n     e: f }",
        "text: |\n  any: thing # here {{ x }}\n   - \"a\" b\n\n  *x &y\nb: c",
        "- text: >-\n    a: b # c\n  next: x",
        "text: \"two\n  lines: here # x\"\nb: c",
        "cron: \"*/5 * * * *\"",
        "if: level in ('A', 'B') and amount > 1",
        "- http://a/b",
        "- team:华东销售\n- user:zs",
        "who:\n  team:华东销售",
        "text: 第一行\n  if:x",
        "{ who: user:zs, at: [team:x] }",
        "url:\n  http://a/b",
        "url: http://x/y#z?a=b",
        "t: don't # fine",
        "- - x\n  - y: z",
        "\"quoted key\": v",
        "'a': \"b\"",
        "text: 100% sure",
        "a: -1\nb: ->\nc: a|b",
        "# only: a comment {{ x }}\n---\na: b",
        "text: 第一行\n  第二行 # 注释\nb: c",
        "text: 第一行\n  # 注释\n#注释\nb: c",
        "- log: 第一行\n- x: y\n  #- z: 1\n#- w: 1",
        "a: 'x'\n  #12\nb: [c]\n  #13\nd: |\n  e\n   #14\n",
        "a: x # why\n  #b: y\n",
        "a:\n  \"two\n  lines\"\nb: c",
        "text: see\n  if this is so\nb: c",
        "text:\n  if this is so\nb: c",
        "- if this\n- to that",
        "{ a: 'it''s', b: \"q\\\" # x\" }",
        "a: { if: \"a in (1, 2)\", then: [ { tag: x } ] }",
    ] {
        assert_eq!(traps(yaml), [], "{yaml}");
    }
}
