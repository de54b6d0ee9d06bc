//! The proofs that sources give of their own logs.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{Case, project};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// State and detail of the proof of each file, by its name.
fn proofs(case: &Case, keys: &[&Path], dumps: &[&Path]) -> Vec<(String, String, String)> {
    let keys: Vec<String> = keys.iter().map(|key| key.display().to_string()).collect();
    let mut arguments = Vec::new();
    for key in &keys {
        arguments.extend(["--source-key", key]);
    }
    let found = case.ingest(&arguments, dumps, 0);
    let files = found["files"].as_array().unwrap();
    let name = |file: &Value| {
        let path = file["path"].as_str().unwrap();
        Path::new(path)
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned()
    };
    let text = |file: &Value, name: &str| file["proof"][name].as_str().unwrap_or("none").to_owned();
    files
        .iter()
        .map(|file| (name(file), text(file, "held"), text(file, "detail")))
        .collect()
}

fn held(proofs: &[(String, String, String)], name: &str) -> String {
    let found = proofs.iter().find(|(file, ..)| file == name);
    found
        .unwrap_or_else(|| panic!("{name} in {proofs:?}"))
        .1
        .clone()
}

/// Whether `trail verify` finds a broken proof.
fn is_found(case: &Case) -> bool {
    let output = case
        .trail()
        .args(["verify", "--format", "json"])
        .output()
        .unwrap();
    let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = verdict["findings"].as_array().unwrap();
    let found = findings
        .iter()
        .any(|finding| finding["rule"] == "trail-source-proof");
    assert!(!found || output.status.code() == Some(1));
    found
}

/// Two hours of CloudTrail with their digests.
fn cloudtrail(case: &Case) -> (PathBuf, RsaKeyPair) {
    let key =
        RsaKeyPair::from_pkcs8(&std::fs::read(project("fixtures/keys/test_rsa.pk8")).unwrap())
            .unwrap();
    let fingerprint = "31e8b5433410dfb61a9dc45cc65b22ff";
    let log = |hour: u32| {
        json!({"Records": [{"eventVersion": "1.08", "eventTime": format!("2026-03-02T{hour:02}:10:00Z"), "eventSource": "s3.amazonaws.com",
            "eventName": "GetObject", "awsRegion": "us-east-2", "sourceIPAddress": "198.51.100.4", "userIdentity": {"type": "IAMUser", "userName": "ops"},
            "eventID": format!("e{hour}"), "eventType": "AwsApiCall", "requestID": format!("r{hour}")}]})
        .to_string()
    };
    let mut before: Option<(String, String, String)> = None;
    for hour in [7, 8] {
        let name = format!("111122223333_CloudTrail_us-east-2_20260302T{hour:02}15Z_abc.json");
        case.write(&format!("aws/{name}"), log(hour));
        let object =
            format!("AWSLogs/111122223333/CloudTrail-Digest/us-east-2/digest_{hour}.json.gz");
        let end = format!("2026-03-02T{:02}:00:00Z", hour + 1);
        let (previous, hash, signature) = match &before {
            Some((object, hash, signature)) => (json!(object), json!(hash), json!(signature)),
            None => (Value::Null, Value::Null, Value::Null),
        };
        let digest = json!({
            "awsAccountId": "111122223333", "digestStartTime": format!("2026-03-02T{hour:02}:00:00Z"), "digestEndTime": end,
            "digestS3Bucket": "logs", "digestS3Object": object, "digestPublicKeyFingerprint": fingerprint,
            "digestSignatureAlgorithm": "SHA256withRSA", "newestEventTime": end, "oldestEventTime": end,
            "previousDigestS3Bucket": "logs", "previousDigestS3Object": previous, "previousDigestHashValue": hash,
            "previousDigestHashAlgorithm": "SHA-256", "previousDigestSignature": signature,
            "logFiles": [{"s3Bucket": "logs", "s3Object": format!("AWSLogs/111122223333/CloudTrail/us-east-2/{name}.gz"),
                "hashValue": sha256(log(hour).as_bytes()), "hashAlgorithm": "SHA-256", "newestEventTime": end, "oldestEventTime": end}],
        })
        .to_string();
        let before_signature = signature.as_str().unwrap_or("null");
        let message = format!(
            "{end}\nlogs/{object}\n{}\n{before_signature}",
            sha256(digest.as_bytes())
        );
        let mut signed = vec![0; key.public().modulus_len()];
        key.sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            message.as_bytes(),
            &mut signed,
        )
        .unwrap();
        before = Some((object, sha256(digest.as_bytes()), hex(&signed)));
        case.write(&format!("aws/digest_{hour}.json"), &digest);
        case.write(&format!("last/digest_{hour}.json.sig"), hex(&signed));
    }
    let keys = json!({"PublicKeyList": [{"Fingerprint": fingerprint, "Value": STANDARD.encode(key.public().as_ref())}]});
    (case.write("aws-keys.json", keys.to_string()), key)
}

#[test]
fn cloudtrail_digests_vouch_for_their_logs() {
    let case = Case::new();
    let (keys, _) = cloudtrail(&case);
    let logs =
        |hour: u32| format!("111122223333_CloudTrail_us-east-2_20260302T{hour:02}15Z_abc.json");
    let found = proofs(&case, &[&keys], &[&case.path("aws")]);
    // The signature of the newest is not in any file; that of the one before it is in the newest.
    assert_eq!(held(&found, "digest_7.json"), "verified");
    assert_eq!(held(&found, "digest_8.json"), "unchecked");
    assert_eq!(held(&found, &logs(7)), "verified");
    assert_eq!(held(&found, &logs(8)), "unchecked");
    assert!(!is_found(&case));
    let events = case.json(&["search", "--kind", "other", "--format", "json"]);
    assert!(
        events.to_string().contains("log digest delivered"),
        "{events}"
    );

    let sig = std::fs::read(case.path("last/digest_8.json.sig")).unwrap();
    let with_sig = Case::new();
    let (keys, _) = cloudtrail(&with_sig);
    with_sig.write("aws/digest_8.json.sig", &sig);
    let found = with_sig.ingest(
        &["--source-key", &keys.display().to_string()],
        &[
            &with_sig.path("aws/digest_8.json"),
            &with_sig.path("aws").join(logs(8)),
        ],
        0,
    );
    assert_eq!(found["files"][1]["proof"]["held"], "verified", "{found}");

    // One byte of a log, and one of a digest.
    let bad = Case::new();
    let (keys, _) = cloudtrail(&bad);
    let path = bad.path("aws").join(logs(7));
    let text = std::fs::read_to_string(&path)
        .unwrap()
        .replace("\"ops\"", "\"ops2\"");
    std::fs::write(&path, text).unwrap();
    let found = proofs(&bad, &[&keys], &[&bad.path("aws")]);
    assert_eq!(held(&found, &logs(7)), "broken");
    assert_eq!(held(&found, &logs(8)), "unchecked");
    assert!(is_found(&bad));
    let bad = Case::new();
    let (keys, _) = cloudtrail(&bad);
    let path = bad.path("aws/digest_7.json");
    let text = std::fs::read_to_string(&path)
        .unwrap()
        .replace("\"111122223333\"", "\"111122223334\"");
    std::fs::write(&path, text).unwrap();
    assert_eq!(
        held(
            &proofs(&bad, &[&keys], &[&bad.path("aws")]),
            "digest_7.json"
        ),
        "broken"
    );
    // Without the key nothing is claimed.
    let case = Case::new();
    cloudtrail(&case);
    let found = proofs(&case, &[], &[&case.path("aws")]);
    assert_eq!(held(&found, "digest_7.json"), "unchecked");
}

/// Integer JSON whose members serde_json sorts, which is its canonical form for these names.
fn trail(keys: [&EcdsaKeyPair; 2], change: impl Fn(usize, &mut Value)) -> String {
    let thumb = |key: &EcdsaKeyPair| {
        let point = key.public_key().as_ref();
        let jwk = format!(
            r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#,
            URL_SAFE_NO_PAD.encode(&point[1..33]),
            URL_SAFE_NO_PAD.encode(&point[33..])
        );
        URL_SAFE_NO_PAD.encode(Sha256::digest(jwk))
    };
    let mut before = Value::Null;
    let mut lines = Vec::new();
    for number in 0..3usize {
        let key = keys[usize::from(number == 2)];
        let mut record = json!({
            "record_id": format!("r{number}"), "timestamp": format!("2026-03-02T07:00:0{number}Z"), "agent_id": "invoice-agent", "session_id": "s-1",
            "action_type": "tool_call", "action_detail": {"tool_name": "pay"}, "outcome": "success",
            "trust_level": if number == 2 { 2 } else { 1 }, "prev_hash": before, "sig_alg": "ES256", "signer_kid": thumb(key),
        });
        let signed = key
            .sign(&SystemRandom::new(), record.to_string().as_bytes())
            .unwrap();
        record["signature"] = json!(URL_SAFE_NO_PAD.encode(signed));
        change(number, &mut record);
        before = json!(sha256(record.to_string().as_bytes()));
        lines.push(record.to_string());
    }
    lines.join("\n") + "\n"
}

#[test]
fn agent_audit_trails_are_followed_record_by_record() {
    let key = || {
        let document =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
                .unwrap();
        EcdsaKeyPair::from_pkcs8(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            document.as_ref(),
            &SystemRandom::new(),
        )
        .unwrap()
    };
    let (agent, recorder) = (key(), key());
    let jwk = |key: &EcdsaKeyPair| {
        let point = key.public_key().as_ref().to_vec();
        json!({"kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode(&point[1..33]), "y": URL_SAFE_NO_PAD.encode(&point[33..])})
    };
    let state = |text: String, with_keys: bool| {
        let case = Case::new();
        let keys = case.write(
            "keys.json",
            json!({"keys": [jwk(&agent), jwk(&recorder)]}).to_string(),
        );
        let dump = case.write("trail.jsonl", text);
        let given: &[&Path] = if with_keys { &[&keys] } else { &[] };
        let found = proofs(&case, given, &[&dump]);
        assert_eq!(is_found(&case), found[0].1 == "broken");
        (found[0].1.clone(), found[0].2.clone())
    };
    let good = trail([&agent, &recorder], |_, _| {});
    assert_eq!(state(good.clone(), true).0, "verified");
    assert_eq!(state(good.clone(), false).0, "unchecked");
    let unsigned = trail([&agent, &recorder], |_, record| {
        record.as_object_mut().unwrap().remove("signature");
    });
    assert_eq!(state(unsigned, true).0, "unsigned");
    // Changed after it was signed, although the chain was made anew.
    let changed = trail([&agent, &recorder], |number, record| {
        if number == 1 {
            record["outcome"] = json!("denied");
        }
    });
    let (held, detail) = state(changed, true);
    assert!(
        held == "broken" && detail.contains("signature of record 2"),
        "{detail}"
    );
    // A record taken out, and a consequential act that its own agent signed.
    let lines: Vec<&str> = good.lines().collect();
    let (held, detail) = state([lines[0], lines[2]].join("\n"), false);
    assert!(
        held == "broken" && detail.contains("record 2 does not follow"),
        "{detail}"
    );
    let (held, detail) = state(trail([&agent, &agent], |_, _| {}), true);
    assert!(
        held == "broken" && detail.contains("independent recorder"),
        "{detail}"
    );
}

#[test]
fn receipts_and_statements_are_checked() {
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let key = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
    let public = hex(key.public_key().as_ref());

    // AER-1: the roots of one, two and three steps, as another implementation gives them.
    let receipt = |ids: &[&str], root: &str| {
        let steps: Vec<Value> = (1..)
            .zip(ids)
            .map(|(seq, id)| {
                json!({"seq": seq, "receipt_id": id, "tool": "web_search", "receipt_hash": "00".repeat(32),
                    "started_at": "2026-03-02T07:00:00Z", "ended_at": "2026-03-02T07:00:01Z", "status": "ok"})
            })
            .collect();
        json!({"type": "verifiable-workflow-receipt", "version": "1", "workflow_id": "w-1", "receipt_id": "r", "session_id": "s",
            "goal": "g", "status": "ok", "steps": steps, "merkle_root": root, "output_hash": sha256(b""), "verify_url": "x"})
        .to_string()
    };
    let three = "d31a37ef6ac14a2db1470c4316beb5592e6afd4465022339adafda76a18ffabe";
    for (ids, root, state) in [
        (&["a"][..], sha256(b"a"), "unsigned"),
        (&["a", "b", "c"][..], three.to_owned(), "unsigned"),
        (&["a", "c", "b"][..], three.to_owned(), "broken"),
        (&["a", "a"][..], sha256(b"a"), "broken"),
    ] {
        let case = Case::new();
        let dump = case.write("receipt.json", receipt(ids, &root));
        assert_eq!(proofs(&case, &[], &[&dump])[0].1, state, "{ids:?}");
        let events = case.json(&["search", "--kind", "tool_call", "--format", "json"]);
        assert_eq!(events["events"].as_u64(), Some(ids.len() as u64));
    }

    // Acta receipts.
    let acta = |change: bool| {
        let mut before: Option<String> = None;
        let mut lines = Vec::new();
        for decision in ["allow", "deny"] {
            let mut payload = json!({"type": "protectmcp:decision", "tool_name": "pay", "decision": decision, "issued_at": "2026-03-02T07:00:00Z", "policy_digest": "sha256:00"});
            if let Some(before) = &before {
                payload["previousReceiptHash"] = json!(format!("sha256:{before}"));
            }
            let signed = key.sign(payload.to_string().as_bytes());
            if change {
                payload["decision"] = json!("allow");
            }
            let receipt = json!({"payload": payload, "signature": {"alg": "EdDSA", "kid": "", "sig": hex(signed.as_ref())}});
            before = Some(sha256(receipt.to_string().as_bytes()));
            lines.push(receipt.to_string());
        }
        lines.join("\n") + "\n"
    };
    for (change, state) in [(false, "verified"), (true, "broken")] {
        let case = Case::new();
        let keys = case.write("key.txt", &public);
        let dump = case.write("receipts.jsonl", acta(change));
        assert_eq!(proofs(&case, &[&keys], &[&dump])[0].1, state);
    }

    // An in-toto statement beside a log.
    let log = (0..3).map(crate::chat).collect::<Vec<_>>().join("\n") + "\n";
    let statement = json!({"_type": "https://in-toto.io/Statement/v1", "subject": [{"name": "chat.jsonl", "digest": {"sha256": sha256(log.as_bytes())}}],
        "predicateType": "https://example.org/export/v1", "predicate": {}})
    .to_string();
    let kind = "application/vnd.in-toto+json";
    let message = format!(
        "DSSEv1 {} {kind} {} {statement}",
        kind.len(),
        statement.len()
    );
    let envelope = json!({"payloadType": kind, "payload": STANDARD.encode(&statement),
        "signatures": [{"keyid": "", "sig": STANDARD.encode(key.sign(message.as_bytes()))}]})
    .to_string();
    for (log, state) in [
        (log.clone(), "verified"),
        (log.replace("5001", "5009"), "broken"),
    ] {
        let case = Case::new();
        let keys = case.write("key.txt", &public);
        let (dump, beside) = (
            case.write("chat.jsonl", log),
            case.write("chat.jsonl.intoto.json", &envelope),
        );
        let found = proofs(&case, &[&keys], &[&dump, &beside]);
        assert_eq!(held(&found, "chat.jsonl"), state, "{found:?}");
        assert_eq!(held(&found, "chat.jsonl.intoto.json"), "verified");
    }
}
