//! Time stamps of an authority (RFC 3161) over pinned checkpoints: that the checkpoint was there then, as
//! somebody else says.

use ring::digest;

use crate::attest::der::{Element, element, elements, first};
use crate::attest::{SourceKey, pem_blocks};

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0]`, constructed.
const CONTEXT_0: u8 = 0xa0;

/// `id-messageDigest`, 1.2.840.113549.1.9.4.
const MESSAGE_DIGEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04];
/// `id-sha256`, 2.16.840.1.101.3.4.2.1; 384 and 512 differ in the last byte.
const SHA_2: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];

/// What a time stamp says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeStamp {
    /// When, UTC, RFC 3339.
    pub time: String,
    /// Whether one of the given certificates made it; `None` if none was given.
    pub trusted: Option<bool>,
}

/// Reads the answer of an authority over some bytes and checks all that can be checked: that it is over
/// these bytes, that its signed attributes are over what it says, and with certificates of authorities
/// (PEM) that one of them signed it. Chains of certificates are not followed: the authority's own is what
/// is believed.
///
/// # Errors
/// It is no answer, a refusal, or not over these bytes.
pub fn check_time_stamp(
    answer: &[u8],
    bytes: &[u8],
    certificates: &str,
) -> Result<TimeStamp, String> {
    let none = || "it is no answer of a time-stamping authority (RFC 3161, DER)".to_owned();
    let (response, _) = element(answer, SEQUENCE).ok_or_else(none)?;
    let (status, token) = element(response, SEQUENCE).ok_or_else(none)?;
    let (status, _) = element(status, INTEGER).ok_or_else(none)?;
    // 0 granted, 1 granted with modifications.
    if !matches!(status, [0 | 1]) {
        return Err("the authority refused".to_owned());
    }
    let signed = signed_data(token).ok_or_else(none)?;
    let info = Info::read(signed.info).ok_or_else(none)?;
    let imprint = digest::digest(info.algorithm, bytes);
    if imprint.as_ref() != info.imprint {
        return Err("it is over other bytes".to_owned());
    }
    let of_info = digest::digest(signed.algorithm, signed.info);
    if of_info.as_ref() != signed.message_digest {
        return Err("what it says was changed after it was signed".to_owned());
    }
    let keys: Vec<SourceKey> = pem_blocks(certificates)
        .iter()
        .filter_map(|der| key_of(der))
        .collect();
    let by_one = keys
        .iter()
        .any(|key| key.verifies(&signed.attributes, signed.signature));
    Ok(TimeStamp {
        time: info.time,
        trusted: (!certificates.is_empty()).then_some(by_one),
    })
}

/// What is needed of a `SignedData` (RFC 5652) with one signer.
struct Signed<'d> {
    /// The `TSTInfo`.
    info: &'d [u8],
    algorithm: &'static digest::Algorithm,
    message_digest: &'d [u8],
    /// Signed attributes, as they are signed: a SET.
    attributes: Vec<u8>,
    signature: &'d [u8],
}

fn signed_data(token: &[u8]) -> Option<Signed<'_>> {
    let (content, _) = element(token, SEQUENCE)?;
    let explicit = elements(content)
        .into_iter()
        .find(|one| one.tag == CONTEXT_0)?;
    let (data, _) = element(explicit.content, SEQUENCE)?;
    let parts = elements(data);
    let encapsulated = parts.iter().find(|one| one.tag == SEQUENCE)?;
    let inner = elements(encapsulated.content);
    let octets = inner.iter().find(|one| one.tag == CONTEXT_0)?;
    let (info, _) = element(octets.content, OCTETS)?;
    let signers = parts.iter().rev().find(|one| one.tag == SET)?;
    let (signer, _) = element(signers.content, SEQUENCE)?;
    let fields = elements(signer);
    // version, sid, digestAlgorithm, [0] signedAttrs, signatureAlgorithm, signature
    let at = fields.iter().position(|one| one.tag == CONTEXT_0)?;
    let attributes = fields[at];
    let algorithm = algorithm(fields.get(at.checked_sub(1)?)?)?;
    let signature = fields[at..].iter().find(|one| one.tag == OCTETS)?;
    let message_digest = elements(attributes.content)
        .into_iter()
        .find_map(|attribute| {
            let parts = elements(attribute.content);
            let is_it = parts.first()?.content == MESSAGE_DIGEST;
            let (value, _) = element(parts.get(1).filter(|_| is_it)?.content, OCTETS)?;
            Some(value)
        })?;
    let mut as_set = attributes.whole.to_vec();
    *as_set.first_mut()? = SET;
    Some(Signed {
        info,
        algorithm,
        message_digest,
        attributes: as_set,
        signature: signature.content,
    })
}

/// The digest algorithm of an `AlgorithmIdentifier`.
fn algorithm(identifier: &Element<'_>) -> Option<&'static digest::Algorithm> {
    let (oid, _) = first(identifier.content)?;
    let (last, head) = oid.content.split_last()?;
    match (head == SHA_2, last) {
        (true, 1) => Some(&digest::SHA256),
        (true, 2) => Some(&digest::SHA384),
        (true, 3) => Some(&digest::SHA512),
        _ => None,
    }
}

struct Info<'d> {
    algorithm: &'static digest::Algorithm,
    imprint: &'d [u8],
    time: String,
}

impl<'d> Info<'d> {
    /// `TSTInfo` (RFC 3161, section 2.4.2): version, policy, messageImprint, serialNumber, genTime, …
    fn read(der: &'d [u8]) -> Option<Self> {
        let (content, _) = element(der, SEQUENCE)?;
        let parts = elements(content);
        let imprint = elements(parts.get(2)?.content);
        let time = parts.iter().find(|one| one.tag == GENERALIZED_TIME)?;
        let text = std::str::from_utf8(time.content).ok()?;
        // YYYYMMDDhhmmss[.f…]Z
        let (digits, rest) = text.split_at_checked(14)?;
        let part = |from: usize, to: usize| digits.get(from..to);
        Some(Self {
            algorithm: algorithm(imprint.first()?)?,
            imprint: imprint.get(1)?.content,
            time: format!(
                "{}-{}-{}T{}:{}:{}{rest}",
                part(0, 4)?,
                part(4, 6)?,
                part(6, 8)?,
                part(8, 10)?,
                part(10, 12)?,
                part(12, 14)?
            ),
        })
    }
}

/// The public key of a certificate (RFC 5280): behind version, serial number, algorithm, issuer, validity
/// and subject.
fn key_of(certificate: &[u8]) -> Option<SourceKey> {
    let (certificate, _) = element(certificate, SEQUENCE)?;
    let (body, _) = element(certificate, SEQUENCE)?;
    let parts = elements(body);
    let has_version = parts.first()?.tag == CONTEXT_0;
    let key = parts.get(if has_version { 6 } else { 5 })?;
    SourceKey::from_der(None, key.whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECKPOINT: &[u8] = include_bytes!("../../fixtures/timestamp/checkpoint");
    const ANSWER: &[u8] = include_bytes!("../../fixtures/timestamp/checkpoint.tsr");
    const AUTHORITY: &str = include_str!("../../fixtures/timestamp/tsa.pem");

    #[test]
    fn an_answer_of_openssl_is_read_and_checked() {
        let stamp = check_time_stamp(ANSWER, CHECKPOINT, AUTHORITY).unwrap();
        assert_eq!(stamp.trusted, Some(true));
        assert!(
            stamp.time.starts_with("20") && stamp.time.ends_with('Z'),
            "{}",
            stamp.time
        );
        let without = check_time_stamp(ANSWER, CHECKPOINT, "").unwrap();
        assert_eq!(without.trusted, None);
        assert!(check_time_stamp(ANSWER, b"other", AUTHORITY).is_err());
    }

    #[test]
    fn a_changed_answer_is_never_believed() {
        for at in 0..ANSWER.len() {
            let mut changed = ANSWER.to_vec();
            changed[at] ^= 1;
            let good = check_time_stamp(ANSWER, CHECKPOINT, AUTHORITY).unwrap();
            if let Ok(stamp) = check_time_stamp(&changed, CHECKPOINT, AUTHORITY) {
                // Certificates that it carries and names of algorithms are not signed: what is said is.
                assert!(stamp.trusted == Some(false) || stamp == good, "byte {at}");
            }
            let _ = check_time_stamp(&ANSWER[..at], CHECKPOINT, AUTHORITY);
        }
    }
}
