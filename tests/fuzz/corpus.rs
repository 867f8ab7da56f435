//! What the targets begin with: stored files, words of their languages, and what is too large to be stored.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let names: BTreeSet<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.into_iter().collect()
}

/// The files of a target, by name.
pub(crate) fn stored(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = folder().join("corpus").join(target);
    names(&folder).into_iter().map(|name| (name.clone(), std::fs::read(folder.join(name)).unwrap())).collect()
}

/// The folders of stored files.
pub(crate) fn folders() -> Vec<String> {
    names(&folder().join("corpus"))
}

/// The targets that the fuzzer knows.
pub(crate) fn targets() -> Vec<String> {
    let text = std::fs::read_to_string(folder().join("Cargo.toml")).unwrap();
    let bins = text.split("[[bin]]").skip(1);
    bins.map(|b| b.lines().find_map(|l| l.strip_prefix("name = ")).unwrap().trim_matches('"').to_owned()).collect()
}

/// The words of a target's dictionary: lines `"…"`, as fuzzers read them, with `\\`, `\"` and `\xE5`.
pub(crate) fn words(target: &str) -> Vec<Vec<u8>> {
    let text = std::fs::read_to_string(folder().join("dict").join(target)).unwrap_or_default();
    let word = |line: &str| {
        let mut rest = line.strip_prefix('"')?.strip_suffix('"')?.as_bytes();
        let mut word = Vec::new();
        while let Some((byte, behind)) = rest.split_first() {
            rest = match (byte, behind) {
                (b'\\', [b'x', high, low, behind @ ..]) => {
                    let digits = [*high, *low];
                    word.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
                    behind
                }
                (b'\\', [other, behind @ ..]) => {
                    word.push(*other);
                    behind
                }
                _ => {
                    word.push(*byte);
                    behind
                }
            };
        }
        Some(word)
    };
    text.lines().filter_map(word).collect()
}

/// Deep, long and many.
pub(crate) fn large(target: &str) -> Vec<(&'static str, Vec<u8>)> {
    let many = |text: &str, times: usize| text.repeat(times).into_bytes();
    let before = |head: &[u8], body: Vec<u8>| [head, &body].concat();
    match target {
        "condition" => vec![
            ("a sum", many("1+", 100_000)),
            ("brackets", many("(", 100_000)),
            ("not", many("!", 100_000)),
            ("a text", before(b"name == '", many("刘", 400_000))),
            ("a pattern", b"matches(name, '(\\w{1000}){1000}')".to_vec()),
            (
                "a slow pattern",
                before(b"matches(name, '(a+)+$') or matches('", [many("a", 3_000), b"b', '(a+)+$')".to_vec()].concat()),
            ),
        ],
        "template" => vec![
            ("gaps", many("{{ name }}", 20_000)),
            ("brackets", before(b"{{ ", many("(", 50_000))),
            ("lists", before(b"{{ ", many("[", 50_000))),
            ("not", before(b"{{ ", many("not ", 20_000))),
            ("ifs", many("{% if vip %}", 10_000)),
            ("branches", before(b"{% if vip %}", many("{% elif vip %}", 15_000))),
            ("lines", before(&many("\n", 70_000), b"{{ name | | }}".to_vec())),
            ("doubled", before(b"{% set a = long %}", [many("{% set a = a ~ a %}", 40), b"{{ a }}".to_vec()].concat())),
            ("minus", before(b"{{ ", [many("-", 50_000), b"1 }}".to_vec()].concat())),
            ("a text", many("刘", 80_000)),
        ],
        "definitions" => vec![
            ("a line", before(b"rules: # ", many("a", 1 << 20))),
            ("a text", before(b"rules: { a: { when: x, note: '", many("\u{202e}刘", 100_000))),
            ("lists", many("[", 50_000)),
            ("objects", many("{a: ", 50_000)),
            ("dashes", many("- ", 50_000)),
            ("keys", (0..5_000).flat_map(|n| format!("k{n}: 1\n").into_bytes()).collect()),
            ("laughs", laughs()),
            ("alias", before(b"a: &a [x]\nb: [", many("*a, ", 10_000))),
            ("one condition", before(b"rules: { a: { when: x, if: ", many("not ", 30_000))),
            ("tags", many("!!a ", 20_000)),
            ("carriage returns", many("a: 1\r", 20_000)),
        ],
        "webhook" => vec![
            ("lists", before(&[0, 0, 0], many("[", 10_000))),
            ("objects", before(&[0, 0, 0], many("{\"a\":", 10_000))),
            ("a large one", before(&[0, 0, 0], many(" ", 1 << 20))),
            ("items", before(&[0, 0, 0], [b"[".to_vec(), many("{},", 20_000), b"{}]".to_vec()].concat())),
            ("digits", before(&[0, 0, 0], [b"{\"n\":".to_vec(), many("9", 60_000), b"}".to_vec()].concat())),
            ("fields", before(&[0, 1, 0], many("a=1&", 16_000))),
            ("a name", before(&[0, 0, 0], [b"{\"".to_vec(), many("刘", 20_000), b"\":}".to_vec()].concat())),
        ],
        "cron" => vec![
            ("a list", before(&[0; 5], [many("1,", 50_000), b"1 * * * *".to_vec()].concat())),
            ("a number", before(&[0; 5], [many("9", 50_000), b" * * * *".to_vec()].concat())),
        ],
        "duration" => vec![
            ("a sum", before(&[0; 5], many("1s", 50_000))),
            ("zeros", before(&[0; 5], [many("0", 50_000), b"1s".to_vec()].concat())),
            ("digits", before(&[0; 5], many("9", 50_000))),
        ],
        "signature" => vec![("a body", before(&[1; 12], many("刘", 300_000)))],
        _ => Vec::new(),
    }
}

/// Nine levels of nine.
fn laughs() -> Vec<u8> {
    let mut text = "a0: &a0 [哈, 哈, 哈, 哈, 哈, 哈, 哈, 哈, 哈]\n".to_owned();
    for n in 1..9 {
        let list = vec![format!("*a{}", n - 1); 9].join(", ");
        text.push_str(&format!("a{n}: &a{n} [{list}]\n"));
    }
    text.into_bytes()
}
