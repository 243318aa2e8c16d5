//! Words that a guest wrote, made fit for a person's terminal.

/// Returns the text without control characters and within `bytes_max`.
pub fn clean(text: &str, bytes_max: usize) -> String {
    let mut clean = String::new();
    push_clean(&mut clean, text, bytes_max);
    clean
}

/// Appends the text without control characters, as far as it fits into `bytes_max` altogether. No more characters than
/// that are looked at.
pub(crate) fn push_clean(to: &mut String, text: &str, bytes_max: usize) {
    for character in text.chars().take(bytes_max).filter(|character| is_plain(*character)) {
        if to.len().saturating_add(character.len_utf8()) > bytes_max {
            return;
        }
        to.push(character);
    }
}

/// Whether a character only shows itself: it moves no cursor, changes no colour and turns no direction of reading.
fn is_plain(character: char) -> bool {
    let turns =
        matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !character.is_control() && !turns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_shows_itself_stays() {
        for (text, bytes_max, expected) in [
            ("积分 points", 100, "积分 points"),
            ("\u{1b}[31mred\u{1b}[0m\r\n\u{7}", 100, "[31mred[0m"),
            ("abc\u{202e}gpj.exe", 100, "abcgpj.exe"),
            ("积分", 5, "积"),
            ("积分", 0, ""),
        ] {
            assert_eq!(clean(text, bytes_max), expected, "{text:?}");
        }
    }
}
