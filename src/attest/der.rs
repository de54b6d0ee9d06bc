//! What is needed of DER (ITU-T X.690): elements with one byte of tag and a definite length.

/// An element.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element<'d> {
    /// Its tag.
    pub tag: u8,
    /// What is in it.
    pub content: &'d [u8],
    /// All of it, tag and length included.
    pub whole: &'d [u8],
}

/// The first element, and what stands behind it.
pub(crate) fn first(der: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&length, rest) = rest.split_first()?;
    let (length, rest) = if length < 0x80 {
        (usize::from(length), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(length & 0x7f).min(5))?;
        let length = bytes.iter().fold(0, |n, byte| n << 8 | usize::from(*byte));
        (length, rest)
    };
    let (content, behind) = rest.split_at_checked(length)?;
    let whole = &der[..der.len() - behind.len()];
    let element = Element {
        tag,
        content,
        whole,
    };
    Some((element, behind))
}

/// The content of the first element, which has that tag, and what stands behind it.
pub(crate) fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = first(der)?;
    (found.tag == tag).then_some((found.content, rest))
}

/// All elements, one after the other.
pub(crate) fn elements(der: &[u8]) -> Vec<Element<'_>> {
    let (mut all, mut rest) = (Vec::new(), der);
    while let Some((found, behind)) = first(rest) {
        all.push(found);
        rest = behind;
    }
    all
}
