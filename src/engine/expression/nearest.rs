//! The nearest right name of one that means nothing, for hints. Counts characters, so it serves Chinese names too.

/// The candidate nearest to a word, if any is near enough to be what was meant.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |t: &str| t.to_lowercase().replace(['_', '-'], "");
    let wanted: Vec<char> = plain(word).chars().collect();
    // One slip in three characters; a short Chinese name may still miss one of two.
    let allowed = (wanted.len() / 3).max(usize::from(wanted.len() > 1));
    candidates
        .into_iter()
        .map(|c| (distance(&wanted, &plain(c).chars().collect::<Vec<_>>()), c))
        .filter(|(d, c)| *d <= allowed && *d < c.chars().count())
        .min_by_key(|(d, _)| *d)
        .map(|(_, c)| c)
}

/// Insertions, deletions, replacements and swaps of neighbours.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let same = usize::from(a[i - 1] != b[j - 1]);
            let mut least = (above[j - 1] + same).min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        let all = ["starts_with", "contains", "amount", "len", "客户", "owner_at", "default"];
        for (word, expect) in [
            ("startsWith", Some("starts_with")),
            ("contians", Some("contains")),
            ("amuont", Some("amount")),
            ("客戶", Some("客户")),
            ("owner-at", Some("owner_at")),
            ("Amount", Some("amount")),
            ("xyz", None),
            ("", None),
            ("a", None),
        ] {
            assert_eq!(nearest(word, all), expect, "{word}");
        }
    }
}
