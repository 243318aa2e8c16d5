//! What an event must be: a table of what is refused, with field and reason, and of what is the same.

use super::{AMOUNT_MINOR_MAX, EVENT_BYTES_MAX, Event};

const PURCHASE: &str = r#"{"specversion":"1.0","id":"1","source":"/merchants/m1","type":"jifen.purchase.completed","time":"2025-07-25T00:00:00+08:00","data":{"order":"o1","member":"ann","merchant":"m1","currency":"CNY","lines":[{"sku":"rice","category":"staples","quantity":1,"amount":6850}]}}"#;

const REFUND: &str = r#"{"specversion":"1.0","id":"r1","source":"/merchants/store-330","type":"jifen.purchase.refunded","time":"2017-01-02T11:53:26+08:00","data":{"order":"7"}}"#;
const REGISTRATION: &str = r#"{"specversion":"1.0","id":"1","source":"/app","type":"jifen.member.registered","time":"2025-07-25T00:00:00+08:00","data":{"member":"ann","region":"cn/henan","referrer":"bob","person":"k1","birthday":"1990-06-08","consents":["profile"]}}"#;

fn purchase(from: &str, to: &str) -> String {
    assert!(PURCHASE.contains(from), "{from} is not in the purchase");
    PURCHASE.replacen(from, to, 1)
}

fn refusal(json: &str) -> String {
    match Event::parse(json.as_bytes()) {
        Ok(_) => format!("taken: {json}"),
        Err(invalid) => invalid.to_string(),
    }
}

#[test]
fn what_is_wrong_is_named_with_its_field() {
    let too_much = (AMOUNT_MINOR_MAX + 1).to_string();
    let rows = [
        // The object.
        ("", "event: EOF while parsing a value"),
        ("nonsense", "event: expected ident"),
        ("[]", "event: invalid length 0, expected a JSON object"),
        ("1", "event: invalid type: integer `1`, expected a JSON object"),
        (&PURCHASE[..100], "time: EOF while parsing a string"),
        (&format!("{PURCHASE}{PURCHASE}"), "event: trailing characters"),
        // The envelope.
        (&purchase(r#""specversion":"1.0","#, ""), "event: missing field `specversion`"),
        (&purchase(r#""1.0""#, r#""0.3""#), "specversion: must be \"1.0\""),
        (&purchase(r#""id":"1""#, r#""id":"""#), "id: must be 1 to 256 bytes without control characters"),
        (&purchase(r#""id":"1""#, r#""id":7"#), "id: invalid type: integer `7`, expected"),
        (&purchase(r#""id":"1""#, r#""id":"a\nb""#), "id: must be 1 to 256 bytes without control characters"),
        (&purchase(r#""id":"1""#, r#""id":"1","colour":"red""#), "colour: unknown field `colour`"),
        (
            &purchase("jifen.purchase.completed", "jifen.purchase.complete"),
            "type: \"jifen.purchase.complete\" is not a type",
        ),
        (
            &purchase("jifen.purchase.completed", "jifen.day.closed"),
            "data.order: unknown field `order`, expected one of `day`, `member`, `late`",
        ),
        (&purchase("2025-07-25T00:00:00+08:00", "2025-07-25"), "time: \"2025-07-25\" is not a time"),
        (
            &purchase("2025-07-25T00:00:00+08:00", "2025-02-30T00:00:00+08:00"),
            "time: \"2025-02-30T00:00:00+08:00\" is not a time",
        ),
        (
            &purchase("2025-07-25T00:00:00+08:00", "2025-07-25T00:00:00"),
            "write it as 2017-01-01T11:53:26+08:00",
        ),
        // The purchase.
        (&purchase(r#""member":"ann","#, ""), "data: missing field `member`"),
        (&purchase(r#""member":"ann""#, r#""member":"ann","mood":1"#), "data.mood: unknown field `mood`"),
        (&purchase("CNY", "cny"), "data.currency: must be three capital letters"),
        (
            &purchase(r#"[{"sku":"rice","category":"staples","quantity":1,"amount":6850}]"#, "[]"),
            "data.lines: must have 1 to 1000 lines",
        ),
        (
            &purchase("6850", "68.50"),
            "data.lines[0].amount: invalid type: floating point `68.5`, expected u64; amounts are integers in minor units",
        ),
        (
            &purchase("6850", "-6850"),
            "data.lines[0].amount: invalid value: integer `-6850`, expected u64; amounts are never negative",
        ),
        (&purchase("6850", "\"6850\""), "data.lines[0].amount: invalid type: string \"6850\", expected u64"),
        (&purchase("6850", "1e400"), "data.lines[0].amount: number out of range"),
        (&purchase("6850", "18446744073709551616"), "data.lines[0].amount: invalid type: floating point"),
        (
            &purchase("6850", &too_much),
            "data.lines[0].amount: is 1000000000000001; at most 1000000000000000 is allowed",
        ),
        (
            &purchase(r#""quantity":1"#, r#""quantity":-1"#),
            "data.lines[0].quantity: invalid value: integer `-1`",
        ),
        (
            &purchase(r#""quantity":1"#, r#""quantity":1,"colour":1"#),
            "data.lines[0].colour: unknown field `colour`",
        ),
        (
            &purchase(r#""currency":"CNY""#, r#""currency":"CNY","freight":-1"#),
            "data.freight: invalid value: integer `-1`",
        ),
        (
            &purchase(r#""currency":"CNY""#, r#""currency":"CNY","discount":6851"#),
            "data.discount: is 6851, more than the lines' total of 6850",
        ),
        (
            &purchase(r#""currency":"CNY""#, r#""currency":"CNY","tenders":[{"kind":"shells","amount":1}]"#),
            "data.tenders[0].kind: unknown variant `shells`",
        ),
        (&purchase(r#""currency":"CNY""#, r#""currency":"CNY","payer":"""#), "data.payer: "),
        (
            &purchase(r#""currency":"CNY""#, r#""currency":"CNY","payer":7"#),
            "data.payer: invalid type: integer `7`",
        ),
        (&REFUND.replace("purchase.refunded", "referral.rejected").replace("\"7\"", "\"\""), "data.order: "),
        (
            &REFUND.replace("purchase.refunded", "referral.rejected").replace("}}", ",\"lines\":[]}}"),
            "data.lines: unknown field `lines`",
        ),
        // The registration.
        (&REGISTRATION.replace("bob", "ann"), "data.referrer: is the member; nobody refers themself"),
        (&REGISTRATION.replace("\"k1\"", "\"\""), "data.person: "),
        (&REGISTRATION.replace("1990-06-08", "8 June"), "data.birthday: "),
        (&REGISTRATION.replace("1990-06-08", "1990-02-29"), "data.birthday: there is no 1990-02-29"),
        (&REGISTRATION.replace("1990-06-08", "1899-12-31"), "data.birthday: "),
        (
            &REGISTRATION.replace("1990-06-08", "2025-07-26"),
            "data.birthday: 2025-07-26 lies after the registration",
        ),
        (&REGISTRATION.replace("\"region\"", "\"regoin\""), "data.regoin: unknown field `regoin`"),
    ];
    for (json, expected) in rows {
        let refusal = refusal(json);
        assert!(refusal.contains(expected), "{json}\n  expected {expected}\n  but got  {refusal}");
    }
}

#[test]
fn an_event_has_a_size() {
    let padding = " ".repeat(EVENT_BYTES_MAX - PURCHASE.len());
    Event::parse(format!("{PURCHASE}{padding}").as_bytes()).unwrap();
    assert_eq!(
        refusal(&format!("{PURCHASE}{padding} ")),
        "event: is larger than 1048576 bytes; send one event a line"
    );
}

#[test]
fn a_thousand_lines_are_taken_and_one_more_is_not() {
    let line = r#"{"sku":"rice","category":"staples","quantity":1,"amount":6850}"#;
    let with = |lines| purchase(line, &vec![line; lines].join(","));
    Event::parse(with(1_000).as_bytes()).unwrap();
    assert_eq!(refusal(&with(1_001)), "data.lines: must have 1 to 1000 lines");
}

#[test]
fn what_says_the_same_has_the_same_digest() {
    let same = [
        purchase(r#""id":"1","source":"/merchants/m1""#, r#""source":"/merchants/m1",  "id":"1""#),
        purchase("2025-07-25T00:00:00+08:00", "2025-07-24T16:00:00Z"),
        purchase("2025-07-25T00:00:00+08:00", "2025-07-25T00:00:00.0004+08:00"),
        purchase(r#""currency":"CNY""#, r#""currency":"CNY","freight":0,"discount":0,"tenders":[]"#),
        purchase("\"amount\":6850", "\"amount\":6850,\"tags\":[]"),
        purchase(r#""id":"1""#, r#""id":"1","datacontenttype":"application/json","subject":"x""#),
        purchase("rice", "\\u0072ice"),
    ];
    let other =
        [purchase("6850", "6851"), purchase("ann", "bob"), purchase("00:00:00+08:00", "00:00:00.001+08:00")];
    let digest = |json: &str| Event::parse(json.as_bytes()).unwrap().digest;
    for json in same {
        assert_eq!(digest(&json), digest(PURCHASE), "{json}");
    }
    for json in other {
        assert_ne!(digest(&json), digest(PURCHASE), "{json}");
    }
}

#[test]
fn the_canonical_form_is_an_event_with_the_same_digest() {
    for json in [PURCHASE, REGISTRATION, REFUND] {
        let event = Event::parse(json.as_bytes()).unwrap();
        let again = Event::parse(&event.canonical).unwrap();
        assert_eq!((again.digest, again.canonical), (event.digest, event.canonical));
        assert_eq!((again.body, again.time), (event.body, event.time));
    }
}

#[test]
fn a_refund_says_what_comes_back() {
    let event = |data: &str| {
        let json = REFUND.replace(r#"{"order":"7"}"#, data);
        Event::parse(json.as_bytes()).map_err(|error| error.to_string())
    };
    for (data, refused) in [
        (r#"{"order":"7","lines":[]}"#, "data.lines: gives nothing back"),
        (r#"{"order":"7","lines":[{"sku":"1","quantity":1}]}"#, "data.lines[0]: missing field `amount`"),
        (r#"{"order":"7","lines":[{"sku":"1","quantity":-1,"amount":5}]}"#, "data.lines[0].quantity"),
        (r#"{"order":"7","freight":1.5}"#, "data.freight"),
        (r#"{"order":"7","cause":"weather"}"#, "data.cause"),
        (r#"{"order":""}"#, "data.order"),
        (r#"{"order":"7","member":"ann"}"#, "data.member: unknown field"),
    ] {
        let told = event(data).map(|_| ()).unwrap_err();
        assert!(told.contains(refused), "{data}: {told}");
    }
    for data in [
        r#"{"order":"7","lines":[],"freight":600}"#,
        r#"{"order":"7","freight":600}"#,
        r#"{"order":"7","cause":"merchant"}"#,
        r#"{"order":"7","lines":[{"sku":"1","quantity":0,"amount":5}]}"#,
    ] {
        assert_eq!(event(data).unwrap().order(), Some("7"), "{data}");
    }
}

#[test]
fn what_happens_to_points_is_checked() {
    for (kind, data, refused) in [
        (
            "points.transferred",
            r#"{"member":"ann","to":"ann","unit":"points","points":1}"#,
            "data.to: is the member",
        ),
        (
            "points.transferred",
            r#"{"member":"ann","to":"bob","unit":"points","points":0}"#,
            "data.points: is 0",
        ),
        (
            "points.transferred",
            r#"{"member":"ann","to":"bob","unit":"points"}"#,
            "data: missing field `points`",
        ),
        (
            "points.transferred",
            r#"{"member":"ann","to":"","unit":"points","points":1}"#,
            "data.to: must be 1 to",
        ),
        (
            "points.exchanged",
            r#"{"member":"ann","unit":"a","into":"a","points":1}"#,
            "data.into: is the unit",
        ),
        (
            "points.exchanged",
            r#"{"member":"ann","unit":"a","into":"b","points":-1}"#,
            "data.points: invalid value",
        ),
        (
            "points.exchanged",
            r#"{"member":"ann","unit":"a","into":"b","points":1,"rate":2}"#,
            "data.rate: unknown field",
        ),
        ("redemption.lapsed", r#"{"redemption":"r1","points":1}"#, "data.points: unknown field"),
        ("redemption.lapsed", r#"{"redemption":""}"#, "data.redemption: must be 1 to"),
        ("expiry.notified", r#"{"member":"ann"}"#, "data: missing field `through`"),
        (
            "expiry.notified",
            r#"{"member":"ann","through":"tomorrow"}"#,
            "data.through: \"tomorrow\" is not a day",
        ),
        ("expiry.notified", r#"{"member":"ann","through":"2101-01-01"}"#, "data.through: calendar_range: "),
        ("action.done", r#"{"member":"ann","action":""}"#, "data.action: must be 1 to"),
        ("action.done", r#"{"member":"ann","action":"confirmed","order":""}"#, "data.order: must be 1 to"),
    ] {
        let json = REFUND.replace("purchase.refunded", kind).replace(r#"{"order":"7"}"#, data);
        let told = refusal(&json);
        assert!(told.contains(refused), "{data}: {told}");
    }
}

#[test]
fn spend_is_lines_less_discount() {
    let json = purchase(r#""currency":"CNY""#, r#""currency":"CNY","freight":600,"discount":850"#);
    let event = Event::parse(json.as_bytes()).unwrap();
    let purchase = event.purchase().unwrap();
    assert_eq!((purchase.spend_minor(), purchase.freight_minor, purchase.discount_minor), (6_000, 600, 850));
}
