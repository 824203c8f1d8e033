//! Amounts of bytes and time as people write them.

use std::time::Duration;

/// Bytes: a number with `k`, `M`, `G` or `T` (powers of 1000) or none; `none`, `off` and `0` are 0.
pub fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    if matches!(text, "none" | "off") {
        return Some(0);
    }
    let lower = text.to_ascii_lowercase();
    let lower = lower.strip_suffix("b").unwrap_or(&lower);
    let (number, unit) = match lower.char_indices().last()? {
        (at, 'k') => (&lower[..at], 1e3),
        (at, 'm') => (&lower[..at], 1e6),
        (at, 'g') => (&lower[..at], 1e9),
        (at, 't') => (&lower[..at], 1e12),
        _ => (lower, 1.0),
    };
    let number = number.trim();
    let plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let value = number.parse::<f64>().ok().filter(|_| plain)? * unit;
    (value <= 9e15).then_some(value.round() as u64)
}

/// A length of time: a number with `s`, `m`, `h` or `d`.
pub fn time(text: &str) -> Option<Duration> {
    let text = text.trim();
    let (at, unit) = text.char_indices().last()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    let number: u64 = text[..at].parse().ok()?;
    number.checked_mul(seconds).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read() {
        for (text, value) in [
            ("0", 0),
            ("off", 0),
            ("200k", 200_000),
            ("1.5M", 1_500_000),
            (" 10 GB ", 10_000_000_000),
            ("2t", 2_000_000_000_000),
            ("512", 512),
            ("512b", 512),
        ] {
            assert_eq!(bytes(text), Some(value), "{text}");
        }
        for text in ["", "k", "-1", "1e9", "NaN", "inf", "1..2k", "99999999T", "ten", "1 0"] {
            assert_eq!(bytes(text), None, "{text}");
        }
        assert_eq!(time("90s"), Some(Duration::from_secs(90)));
        assert_eq!(time("1h"), Some(Duration::from_secs(3600)));
        assert_eq!(time("2d"), Some(Duration::from_secs(172_800)));
        for text in ["", "h", "1", "-1h", "1.5h", "99999999999999999999d"] {
            assert_eq!(time(text), None, "{text}");
        }
    }
}
