//! Public keys of sources: PEM, the Base64 of AWS, JSON Web Keys, and the key stores of signed agent logs.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::der::element;

/// A public key, and what it is called.
#[derive(Clone, Debug)]
pub struct SourceKey {
    /// Its id in the file it came from, if that gives one.
    pub id: Option<String>,
    kind: Kind,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// PKCS #1 `RSAPublicKey`, DER.
    Rsa,
    /// P-256, uncompressed point.
    P256,
    /// Ed25519, 32 bytes.
    Ed25519,
}

/// Object identifiers in a `SubjectPublicKeyInfo` (RFC 5280), DER.
const OID_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const OID_P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const OID_ED25519: &[u8] = &[0x2b, 0x65, 0x70];

impl SourceKey {
    /// Whether a signature is of this key: PKCS #1 v1.5 with SHA-2, ECDSA with SHA-256 (fixed or DER),
    /// or Ed25519.
    #[must_use]
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let algorithms: &[&dyn VerificationAlgorithm] = match self.kind {
            Kind::Rsa => &[
                &signature::RSA_PKCS1_2048_8192_SHA256,
                &signature::RSA_PKCS1_2048_8192_SHA384,
                &signature::RSA_PKCS1_2048_8192_SHA512,
            ],
            Kind::P256 => &[
                &signature::ECDSA_P256_SHA256_FIXED,
                &signature::ECDSA_P256_SHA256_ASN1,
            ],
            Kind::Ed25519 => &[&signature::ED25519],
        };
        algorithms.iter().any(|algorithm| {
            UnparsedPublicKey::new(*algorithm, &self.bytes)
                .verify(message, signature)
                .is_ok()
        })
    }

    /// Whether a record means this key: by its id, its JWK thumbprint (RFC 7638), or the digest of its
    /// bytes.
    #[must_use]
    pub(super) fn is_called(&self, id: &str) -> bool {
        if self.id.as_deref() == Some(id) {
            return true;
        }
        let hex = |digest: &[u8]| -> String { digest.iter().map(|b| format!("{b:02x}")).collect() };
        let sha256 = Sha256::digest(&self.bytes);
        self.thumbprint().as_deref() == Some(id)
            || hex(&sha256) == id
            || URL_SAFE_NO_PAD.encode(sha256) == id
            || hex(&self.bytes) == id
    }

    fn thumbprint(&self) -> Option<String> {
        let text = match self.kind {
            Kind::P256 => {
                let (x, y) = self.bytes.get(1..)?.split_at_checked(32)?;
                format!(
                    r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#,
                    URL_SAFE_NO_PAD.encode(x),
                    URL_SAFE_NO_PAD.encode(y)
                )
            }
            Kind::Ed25519 => format!(
                r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#,
                URL_SAFE_NO_PAD.encode(&self.bytes)
            ),
            Kind::Rsa => return None,
        };
        Some(URL_SAFE_NO_PAD.encode(Sha256::digest(text)))
    }

    fn new(id: Option<String>, kind: Kind, bytes: Vec<u8>) -> Self {
        Self { id, kind, bytes }
    }

    /// From DER: `SubjectPublicKeyInfo`, or `RSAPublicKey` by itself.
    pub(crate) fn from_der(id: Option<String>, der: &[u8]) -> Option<Self> {
        let (outer, _) = element(der, 0x30)?;
        let Some((algorithm, rest)) = element(outer, 0x30) else {
            // An RSAPublicKey begins with the number.
            element(outer, 0x02)?;
            return Some(Self::new(id, Kind::Rsa, der.to_vec()));
        };
        let (bits, _) = element(rest, 0x03)?;
        let key = bits.strip_prefix(&[0])?;
        let is = |oid: &[u8]| algorithm.windows(oid.len()).any(|window| window == oid);
        let kind = if is(OID_RSA) {
            Kind::Rsa
        } else if is(OID_P256) {
            Kind::P256
        } else if is(OID_ED25519) {
            Kind::Ed25519
        } else {
            return None;
        };
        Some(Self::new(id, kind, key.to_vec()))
    }

    fn from_jwk(id: Option<&str>, key: &Value) -> Option<Self> {
        let text = |name: &str| key.get(name).and_then(Value::as_str);
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
        let id = id.or_else(|| text("kid")).map(str::to_owned);
        match (text("crv"), bytes("x"), bytes("y")) {
            (Some("Ed25519"), Some(x), _) => Some(Self::new(id, Kind::Ed25519, x)),
            (Some("P-256") | None, Some(x), Some(y)) => {
                Some(Self::new(id, Kind::P256, [&[4], x.as_slice(), &y].concat()))
            }
            _ => None,
        }
    }
}

/// The public keys of a file.
///
/// # Errors
/// The file cannot be read, or holds none.
pub fn read_source_keys(path: &Path) -> Result<Vec<SourceKey>, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let keys = keys_of(&text);
    if keys.is_empty() {
        return Err(format!(
            "{} holds no public key: PEM, the Base64 of `aws cloudtrail list-public-keys`, a JSON Web Key (set), or a key store by key id (RSA, P-256, Ed25519)",
            path.display()
        ));
    }
    Ok(keys)
}

fn keys_of(text: &str) -> Vec<SourceKey> {
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        return json_keys(&value);
    }
    let mut keys = Vec::new();
    if text.contains("-----BEGIN") {
        let blocks = pem_blocks(text);
        keys.extend(
            blocks
                .iter()
                .filter_map(|der| SourceKey::from_der(None, der)),
        );
        return keys;
    }
    for line in text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
    {
        let der = STANDARD.decode(line).ok();
        keys.extend(der.and_then(|der| SourceKey::from_der(None, &der)));
        let raw: Option<Vec<u8>> = (line.len() == 64).then(|| unhex(line)).flatten();
        keys.extend(raw.map(|raw| SourceKey::new(None, Kind::Ed25519, raw)));
    }
    keys
}

/// The contents of the blocks of a PEM file (RFC 7468).
pub(crate) fn pem_blocks(text: &str) -> Vec<Vec<u8>> {
    let blocks = text.split("-----BEGIN ").skip(1).filter_map(|block| {
        let (_, body) = block.split_once("-----")?;
        let body = body.split("-----END").next()?;
        let base64: String = body.split_whitespace().collect();
        STANDARD.decode(base64).ok()
    });
    blocks.collect()
}

fn json_keys(value: &Value) -> Vec<SourceKey> {
    // `aws cloudtrail list-public-keys`
    if let Some(list) = value.get("PublicKeyList").and_then(Value::as_array) {
        let key = |key: &Value| {
            let der = STANDARD.decode(key.get("Value")?.as_str()?).ok()?;
            let id = key.get("Fingerprint").and_then(Value::as_str);
            SourceKey::from_der(id.map(str::to_owned), &der)
        };
        return list.iter().filter_map(key).collect();
    }
    if let Some(list) = value.get("keys").and_then(Value::as_array) {
        return list
            .iter()
            .filter_map(|key| SourceKey::from_jwk(None, key))
            .collect();
    }
    if let Some(key) = SourceKey::from_jwk(None, value) {
        return vec![key];
    }
    let Some(members) = value.as_object() else {
        return Vec::new();
    };
    let key = |(id, key): (&String, &Value)| {
        SourceKey::from_jwk(Some(id), key.get("jwk_x_y").unwrap_or(key))
    };
    members.iter().filter_map(key).collect()
}

/// Bytes of hexadecimal digits.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| {
            let pair = std::str::from_utf8(pair).ok()?;
            (pair.len() == 2).then(|| u8::from_str_radix(pair, 16).ok())?
        })
        .collect()
}

/// Bytes of a signature in Base64 (either alphabet) or hexadecimal digits.
pub(super) fn signature_bytes(text: &str) -> Option<Vec<u8>> {
    let is_hex = text.len() >= 128 && text.bytes().all(|b| b.is_ascii_hexdigit());
    if is_hex {
        return unhex(text);
    }
    let text = text.trim_end_matches('=');
    let url = text.replace('+', "-").replace('/', "_");
    URL_SAFE_NO_PAD.decode(url).ok()
}
