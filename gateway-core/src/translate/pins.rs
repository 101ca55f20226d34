//! SHA-256 values of `verifyCertificateHash` and `verifyCertificateSpki`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// 64 hexadecimal digits, with or without colons.
pub(super) fn hash(text: &str) -> Option<[u8; 32]> {
    let digits = text.chars().filter(|c| *c != ':').map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()));
    let digits = digits.collect::<Option<Vec<u8>>>().filter(|digits| digits.len() == 64)?;
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect::<Vec<u8>>().try_into().ok()
}

/// 32 bytes in base64.
pub(super) fn spki(text: &str) -> Option<[u8; 32]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_hexadecimal_with_or_without_colons() {
        let plain = "00ff".repeat(16);
        let coloned = ["00:FF"; 16].join(":");
        assert_eq!((plain.len(), coloned.len()), (64, 95));
        assert_eq!(hash(&plain).map(|hash| hash[..3].to_vec()), Some(vec![0, 255, 0]));
        assert_eq!(hash(&plain), hash(&coloned));
        let odd = format!("{}f", &plain[..62]);
        for wrong in ["", &plain[..62], &odd, &"xy".repeat(32), &format!("{plain}00")] {
            assert_eq!(hash(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn keys_are_base64() {
        let text = STANDARD.encode([7; 32]);
        assert_eq!((text.len(), spki(&text)), (44, Some([7; 32])));
        for wrong in ["", &text[..43], &STANDARD.encode([7; 33]), &"!".repeat(44)] {
            assert_eq!(spki(wrong), None, "{wrong}");
        }
    }
}
