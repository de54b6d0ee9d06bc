//! Rules: public ones, one's own, their examples, versions and exceptions.

use serde_json::{Value, json};

use crate::{Case, project};

#[test]
fn every_shipped_rule_holds_its_examples() {
    let case = Case::new();
    let text = case.output(&["rules", "test"]);
    assert!(text.ends_with("0 wrong\n"), "{text}");
    let list = case.json(&["rules", "list", "--format", "json"]);
    let rules = list["rules"].as_array().unwrap();
    assert!(rules.len() >= 40);
    for rule in rules {
        assert!(!rule["tags"].as_array().unwrap().is_empty(), "{rule}");
        assert!(!rule["description"].as_str().unwrap().is_empty(), "{rule}");
    }
}

#[test]
fn a_wrong_example_is_named() {
    let case = Case::new();
    let path = case.write(
        "rules/a.yml",
        "title: T\nid: own-1\nlogsource: {product: trail}\ndetection:\n  selection: {kind: write}\n  condition: selection\nexamples:\n  match:\n    - {kind: read}\n  no_match:\n    - {kind: read}\n",
    );
    let output = case
        .trail()
        .args(["rules", "test"])
        .arg(path.parent().unwrap())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text.contains("own-1") && text.contains("example 1 of `match`"),
        "{text}"
    );
    assert!(text.contains("2 examples of 1 rules, 1 wrong"), "{text}");
}

#[test]
fn what_is_wrong_with_a_rule_is_said_with_its_file() {
    let case = Case::new();
    let cases = [
        ("selection: {actr: x}", "did you mean `actor`?"),
        ("selection: {kind: wrte}", "never `wrte`"),
        ("selection: {amount|gte: 10, amount|lt: 5}", "can never be"),
        ("selection: {kind: write", "line"),
    ];
    for (selection, expected) in cases {
        let path = case.write(
            "own.yml",
            format!("title: T\nid: own-1\nlogsource: {{product: trail}}\ndetection:\n  {selection}\n  condition: selection\n"),
        );
        let output = case
            .trail()
            .args(["rules", "check"])
            .arg(&path)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr).replace("\n  │ ", " ");
        assert_eq!(output.status.code(), Some(2), "{selection}");
        assert!(text.contains("line 5"), "{selection}: {text}");
        assert!(
            text.contains(expected) && text.contains("own.yml"),
            "{selection}: {text}"
        );
    }
}

/// Two CloudTrail records, one of which stops a log.
fn cloudtrail(case: &Case) -> std::path::PathBuf {
    let record = |number: u32, name: &str| {
        json!({
            "eventVersion": "1.08", "eventTime": format!("2026-03-02T07:0{number}:00Z"),
            "eventSource": "cloudtrail.amazonaws.com", "eventName": name, "awsRegion": "eu-central-1",
            "sourceIPAddress": "198.51.100.7", "userAgent": "aws-cli",
            "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/eva", "userName": "eva"},
            "eventID": format!("00000000-0000-4000-8000-00000000000{number}"), "eventType": "AwsApiCall",
            "requestParameters": {"name": "main", "nested": {"deep": [{"flag": "on"}]}},
        })
    };
    let records = json!({"Records": [record(1, "DescribeTrails"), record(2, "StopLogging")]});
    case.write("trail.json", records.to_string())
}

#[test]
fn public_rules_run_on_the_records_own_names() {
    let case = Case::new();
    case.ingest(&[], &[&cloudtrail(&case)], 0);
    let rules = case.write(
        "rules/cloud.yml",
        "title: Log stopped\nid: pub-1\nlevel: high\nlogsource: {product: aws, service: cloudtrail}\ndetection:\n  selection:\n    eventSource: cloudtrail.amazonaws.com\n    eventName: [StopLogging, DeleteTrail]\n    requestParameters.nested.deep.flag: 'on'\n  filter:\n    userIdentity.arn|endswith: user/robot\n  condition: selection and not filter\n---\ntitle: Never logged\nid: pub-2\nlogsource: {product: azure, service: auditlogs}\ndetection:\n  selection: {OperationName: Add user}\n  condition: selection\n",
    );
    let verdict = case.json(&[
        "verify",
        "--policy",
        rules.to_str().unwrap(),
        "--format",
        "json",
    ]);
    let findings = verdict["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1, "{verdict}");
    assert_eq!(findings[0]["rule"], "pub-1");
    assert_eq!(findings[0]["evidence"][0]["record"], 2);
    assert_eq!(
        verdict["not_evaluable"][0]["missing"],
        "no log of azure/auditlogs was read"
    );
    let strict = case
        .trail()
        .args(["verify", "--strict", "--policy", rules.to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(strict.status.code(), Some(2));
}

#[test]
fn public_rules_run_on_rows_by_their_columns_and_what_these_hold() {
    let case = Case::new();
    let rows = project("fixtures/formats/m365_unified_audit/input.csv");
    case.ingest(&[], &[&rows], 0);
    let rules = case.write(
        "rules/m365.yml",
        "title: Role given\nid: pub-3\nlogsource: {product: m365, service: audit}\ndetection:\n  selection:\n    Operation: Add member to role.\n    Workload: AzureActiveDirectory\n    UserIds|startswith: admin@\n  condition: selection\n",
    );
    let rules = rules.to_str().unwrap();
    let verdict = case.json(&["verify", "--policy", rules, "--format", "json"]);
    let findings = verdict["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1, "{verdict}");
    assert_eq!(findings[0]["evidence"][0]["record"], 2);
}

#[test]
fn the_public_pack_is_valid_and_runs() {
    let rules = project("../shared/sigma/rules");
    if !rules.is_dir() {
        eprintln!("no ../shared/sigma: the public pack was not tried");
        return;
    }
    let case = Case::new();
    let text = case.output(&["rules", "check", rules.to_str().unwrap()]);
    assert!(text.contains("146 rules are valid"), "{text}");
    case.ingest(&[], &[&cloudtrail(&case)], 0);
    let verdict = case.json(&[
        "verify",
        "--policy",
        rules.to_str().unwrap(),
        "--format",
        "json",
    ]);
    let found: Vec<&str> = verdict["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["title"].as_str().unwrap())
        .collect();
    assert!(
        found.contains(&"AWS CloudTrail Important Change"),
        "{found:?}"
    );
}

fn write_policy(case: &Case, extra: &[(&str, &str)]) -> std::path::PathBuf {
    let rule = "title: Log stopped\nid: own-1\nlevel: high\nlogsource: {product: trail}\ndetection:\n  selection: {action|contains: StopLogging}\n  condition: selection\n";
    case.write(
        "rules/policy.toml",
        "name = \"own\"\nversion = \"1\"\nvalid_from = \"2026-01-01\"\n",
    );
    case.write("rules/a.yml", rule);
    for (name, text) in extra {
        case.write(&format!("rules/{name}"), text);
    }
    case.path("rules")
}

fn verify(case: &Case, arguments: &[&str]) -> Value {
    let mut all = vec!["verify", "--format", "json"];
    all.extend(arguments);
    case.json(&all)
}

#[test]
fn exceptions_allow_until_they_run_out() {
    let case = Case::new();
    case.ingest(&[], &[&cloudtrail(&case)], 0);
    let exception = "exception: maintenance\nrule: own-1\nscope: {contains: StopLogging}\nreason: planned work\ngranted_by: c.iso\nuntil: '2026-03-31'\n";
    let rules = write_policy(&case, &[("exceptions/maintenance.yml", exception)]);
    let rules = rules.to_str().unwrap();
    let then = verify(&case, &["--policy", rules, "--as-of", "2026-03-15"]);
    assert_eq!(then["findings"], json!([]));
    assert_eq!(then["excepted"][0]["exception"]["granted_by"], "c.iso");
    let later = verify(&case, &["--policy", rules, "--as-of", "2026-04-01"]);
    let found: Vec<&Value> = later["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| &f["rule"])
        .collect();
    assert_eq!(found, ["own-1", "exception-expired"]);
    let text = case.output(&["verify", "--policy", rules, "--as-of", "2026-04-01"]);
    assert!(
        text.contains("maintenance from own-1 ended on 2026-03-31"),
        "{text}"
    );
}

#[test]
fn the_version_of_the_day_judges() {
    let case = Case::new();
    case.ingest(&[], &[&cloudtrail(&case)], 0);
    for (version, from, action) in [
        ("1", "2026-01-01", "StopLogging"),
        ("2", "2026-03-01", "Describe"),
    ] {
        case.write(
            &format!("versions/v{version}/policy.toml"),
            format!("name = \"own\"\nversion = \"{version}\"\nvalid_from = \"{from}\"\n"),
        );
        case.write(
            &format!("versions/v{version}/a.yml"),
            format!("title: T\nid: own-{version}\nlogsource: {{product: trail}}\ndetection:\n  selection: {{action|contains: {action}}}\n  condition: selection\n"),
        );
    }
    let path = case.path("versions");
    let path = path.to_str().unwrap();
    for (day, version) in [
        ("2026-02-10", "1"),
        ("2026-03-02", "2"),
        ("2026-12-01", "2"),
    ] {
        let verdict = verify(&case, &["--policy", path, "--as-of", day]);
        assert_eq!(verdict["policy_version"], version, "{day}");
        assert_eq!(verdict["findings"][0]["rule"], format!("own-{version}"));
    }
    let before = case
        .trail()
        .args(["verify", "--policy", path, "--as-of", "2025-01-01"])
        .output()
        .unwrap();
    assert_eq!(before.status.code(), Some(2));
}

#[test]
fn a_baseline_leaves_out_what_was_known() {
    let case = Case::new();
    case.ingest(&[], &[&cloudtrail(&case)], 0);
    let rules = write_policy(&case, &[]);
    let rules = rules.to_str().unwrap();
    let first = case.output(&["verify", "--format", "json", "--policy", rules]);
    let baseline = case.write("known.json", &first);
    let second = verify(
        &case,
        &["--policy", rules, "--baseline", baseline.to_str().unwrap()],
    );
    assert_eq!(
        (&second["findings"], &second["known"]),
        (&json!([]), &json!(1))
    );
    let wrong = case.write("wrong.json", "[]");
    let wrong = case
        .trail()
        .args(["verify", "--baseline", wrong.to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn correlations_count_within_their_time() {
    let case = Case::new();
    let mut log = String::new();
    for n in 0..6 {
        let minute = if n < 5 { n } else { 40 };
        log.push_str(&format!(
            "{}\n",
            json!({"eventVersion": "1.08", "eventTime": format!("2026-03-02T07:{minute:02}:00Z"),
                "eventSource": "signin.amazonaws.com", "eventName": "ConsoleLogin", "awsRegion": "eu-central-1",
                "sourceIPAddress": "198.51.100.7", "userAgent": "x", "errorMessage": "Failed authentication",
                "responseElements": {"ConsoleLogin": "Failure"}, "eventType": "AwsConsoleSignIn",
                "userIdentity": {"type": "IAMUser", "userName": "eva"}, "eventID": format!("00000000-0000-4000-8000-00000000000{n}")})
        ));
    }
    let path = case.write("logins.jsonl", log);
    case.ingest(&[], &[&path], 0);
    let verdict = verify(&case, &[]);
    let logins: Vec<&Value> = verdict["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["rule"] == "trail-053")
        .collect();
    assert_eq!(logins.len(), 1, "{verdict}");
    assert_eq!(logins[0]["time"], "2026-03-02T07:04:00Z");
    // The rule that it builds on gives no findings of its own.
    assert!(!verdict.to_string().contains("trail-053-base"));
}

#[test]
fn a_rule_is_explained_on_a_task() {
    let case = Case::new();
    case.ingest(
        &["--tz", "sap=Europe/Berlin"],
        &[&project("fixtures/invoice-4711")],
        0,
    );
    let verdict = verify(&case, &[]);
    let finding = verdict["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|finding| finding["rule"] == "trail-003")
        .unwrap();
    let task = finding["task"].as_str().unwrap();
    let text = case.output(&["rules", "explain", "trail-003", &task[..16]]);
    assert!(text.contains("matches: "), "{text}");
    assert!(text.contains("what.actor == other.actor holds"), "{text}");
    let healthy = case.output(&["rules", "explain", "trail-012", &task[..16]]);
    assert!(healthy.contains("does not match"), "{healthy}");
    let unknown = case
        .trail()
        .args(["rules", "explain", "trail-03", task])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("did you mean"));
}

#[test]
fn correlations_count_public_rules_too() {
    let case = Case::new();
    let mut log = String::new();
    for n in 0..3 {
        let record = json!({
            "eventVersion": "1.08", "eventTime": format!("2026-03-02T07:0{n}:00Z"),
            "eventSource": "iam.amazonaws.com", "eventName": "CreateAccessKey", "awsRegion": "eu-central-1",
            "sourceIPAddress": "198.51.100.7", "userAgent": "x", "eventType": "AwsApiCall",
            "userIdentity": {"type": "IAMUser", "userName": "eva"}, "eventID": format!("00000000-0000-4000-8000-00000000000{n}"),
        });
        log.push_str(&format!("{record}\n"));
    }
    let path = case.write("keys.jsonl", log);
    case.ingest(&[], &[&path], 0);
    let rules = case.write(
        "rules.yml",
        "title: Key made\nid: base-1\nname: key_made\nlogsource: {product: aws, service: cloudtrail}\ndetection:\n  s: {eventName: CreateAccessKey}\n  condition: s\n---\ntitle: Three keys\nid: many-1\nlevel: high\ncorrelation:\n  type: event_count\n  rules: [key_made]\n  group-by: [userIdentity.userName]\n  timespan: 10m\n  condition: {gte: 3}\n",
    );
    let verdict = verify(&case, &["--policy", rules.to_str().unwrap()]);
    let findings = verdict["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1, "{verdict}");
    assert_eq!(
        (&findings[0]["rule"], &findings[0]["time"]),
        (&json!("many-1"), &json!("2026-03-02T07:02:00Z"))
    );
    assert!(
        findings[0]["message"]
            .as_str()
            .unwrap()
            .contains("userIdentity.userName eva")
    );
}
