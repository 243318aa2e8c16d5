use expect_test::expect;

use super::*;

const WHOLE: &str = r#"{
  "about": "Everything that a case can state.",
  "parameters": {"per": 100, "points": "1"},
  "event": {
    "specversion": "1.0",
    "id": "1",
    "source": "/merchants/m1",
    "type": "jifen.purchase.completed",
    "time": "2025-07-24T23:59:59.999+08:00",
    "data": {
      "order": "o1",
      "member": "ann",
      "merchant": "m1",
      "currency": "CNY",
      "lines": [
        {
          "sku": "1",
          "category": "staples",
          "quantity": 2,
          "amount": 6850,
          "tags": [
            "eco"
          ]
        }
      ],
      "freight": 600,
      "discount": 50,
      "tenders": [
        {
          "kind": "gift-card",
          "amount": 100
        },
        {
          "kind": "points",
          "redemption": "r1",
          "amount": 100
        }
      ]
    }
  },
  "merchant_category": "supermarket",
  "market_day": true,
  "points_so_far": 68,
  "facts": {
    "purchases.lifetime-count": 0,
    "purchases.spend-minor-since(2025-07-01)": 12300,
    "purchases.last-day": "2025-07-01",
    "membership.registered-day": null,
    "membership.referred": true
  },
  "expect": {
    "awards": [
      {
        "to": "referrer",
        "points": 68,
        "reason": "market-day",
        "unit": "green",
        "available_from": "2025-07-26",
        "valid_until": "2025-12-31",
        "line": 0
      }
    ]
  }
}
"#;

/// Parses the whole case with one piece of its text changed.
fn changed(from: &str, to: &str) -> Result<Case, InvalidCase> {
    assert!(WHOLE.contains(from), "{from}");
    Case::parse(&WHOLE.replacen(from, to, 1))
}

#[test]
fn a_case_is_written_as_it_was_read() {
    let case = Case::parse(WHOLE).expect("the case is valid");
    assert_eq!(case.to_json(), WHOLE);
    assert_eq!(case.event.time.second_of_day(), 86_399);
    assert_eq!(case.event.time.day().to_string(), "2025-07-24");
}

/// A case of a redemption policy, with this `data` of a request.
fn request(data: &str) -> Result<Case, InvalidCase> {
    Case::parse(&format!(
        r#"{{"about": "", "parameters": {{}}, "event": {{"specversion": "1.0", "id": "1", "source": "/a",
        "type": "jifen.redemption.requested", "time": "2025-01-01T00:00:00Z", "data": {{"redemption": "r1",
        "member": "ann", "merchant": "m1", {data}}}}}, "expect": {{"offered": {{"points": 800, "benefit": "mug"}}}}}}"#
    ))
}

#[test]
fn a_request_is_for_an_item_or_for_a_bill() {
    let lines = r#""lines": [{"sku": "1", "category": "staples", "quantity": 1, "amount": 6850}]"#;
    let rows = [
        (r#""item": "mug", "quantity": 2, "points": 1600"#.to_owned(), ""),
        (format!(r#"{lines}, "freight": 600, "currency": "CNY""#), ""),
        (format!(r#""item": "mug", {lines}"#), "data.item: excludes lines"),
        (r#""points": 1600"#.to_owned(), "data.item: is missing"),
        (r#""item": "mug", "size": "L""#.to_owned(), "data.size: unknown field"),
    ];
    for (data, error) in rows {
        let read = request(&data).map_or_else(|invalid| invalid.to_string(), |_| String::new());
        assert!(read.contains(error) && read.is_empty() == error.is_empty(), "{data}: {read}");
    }
    let case = request(r#""item": "mug""#).expect("the case is valid");
    let written = Case::parse(&case.to_json()).expect("what is written can be read");
    assert_eq!((written.event, written.expect), (case.event, case.expect));
}

#[test]
fn what_is_left_out_is_not_written() {
    let case = Case::parse(
        r#"{"about": "", "parameters": {}, "event": {"specversion": "1.0", "id": "1", "source": "/a",
        "type": "jifen.member.registered", "time": "2025-01-01T00:00:00Z", "data": {"member": "ann"}},
        "expect": {"awards": []}}"#,
    );
    expect![[r#"
        {
          "about": "",
          "parameters": {},
          "event": {
            "specversion": "1.0",
            "id": "1",
            "source": "/a",
            "type": "jifen.member.registered",
            "time": "2025-01-01T00:00:00Z",
            "data": {
              "member": "ann"
            }
          },
          "expect": {
            "awards": []
          }
        }
    "#]]
    .assert_eq(&case.expect("the case is valid").to_json());
}

#[test]
fn errors_name_the_key() {
    let changes = [
        ("\"market_day\"", "\"marketday\""),
        ("\"freight\": 600", "\"freigth\": 600"),
        ("\"amount\": 6850", "\"amount\": 68.5"),
        ("\"amount\": 6850", "\"amount\": -1"),
        ("jifen.purchase.completed", "jifen.day.closed"),
        ("2025-07-24T23", "2025-07-24 23"),
        ("2025-07-24T23", "2025-02-30T23"),
        ("lifetime-count", "lifetime-cuont"),
        ("spend-minor-since(2025-07-01)", "spend-minor-since"),
        ("\"2025-12-31\"", "\"31.12.2025\""),
        ("\"awards\": [", "\"award\": ["),
        ("\"about\": \"Everything that a case can state.\",", ""),
    ];
    let messages = changes.map(|(from, to)| match changed(from, to) {
        Ok(case) => panic!("{to} is taken: {case:?}"),
        Err(invalid) => invalid.to_string(),
    });
    expect![[r#"
        marketday: unknown field `marketday`, expected one of `about`, `parameters`, `event`, `merchant_category`, `market_day`, `points_so_far`, `facts`, `expect` at line 42 column 13
        event: data.freigth: unknown field `freigth`, expected one of `order`, `member`, `merchant`, `currency`, `lines`, `freight`, `discount`, `tenders` at line 40 column 3
        event: data.lines[0].amount: invalid type: floating point `68.5`, expected u64 at line 40 column 3
        event: data.lines[0].amount: invalid value: integer `-1`, expected u64 at line 40 column 3
        event: type: no policy is asked about jifen.day.closed at line 40 column 3
        event.time: `2025-07-24 23:59:59.999+08:00` is no time between 1900 and 2100; write YYYY-MM-DDThh:mm:ss and the offset, as 2025-07-25T00:00:00+08:00 at line 9 column 43
        event.time: `2025-02-30T23:59:59.999+08:00` is no time between 1900 and 2100; write YYYY-MM-DDThh:mm:ss and the offset, as 2025-07-25T00:00:00+08:00 at line 9 column 43
        facts.purchases.lifetime-cuont: unknown fact `purchases.lifetime-cuont`; write interface.function as in `wit/facts.wit`, with a day where it asks for one, such as purchases.count-since(2025-07-01) at line 45 column 30
        facts.purchases.spend-minor-since: unknown fact `purchases.spend-minor-since`; write interface.function as in `wit/facts.wit`, with a day where it asks for one, such as purchases.count-since(2025-07-01) at line 46 column 33
        expect.awards[0].valid_until: a date is written YYYY-MM-DD, as 2026-02-17 at line 59 column 35
        expect: unknown variant `award`, expected one of `awards`, `offered`, `actions`, `declined`, `fault`, `invalid_parameters` at line 52 column 11
        missing field `about` at line 64 column 1"#]].assert_eq(&messages.join("\n"));
}

#[test]
fn a_file_is_named() {
    let missing = Case::read(Path::new("cases/missing.json")).expect_err("there is no such file");
    assert!(missing.to_string().starts_with("cases/missing.json: "), "{missing}");
}

#[test]
fn times_are_read_strictly() {
    let table = [
        ("2025-07-25T00:00:00+08:00", Some(0)),
        ("2025-07-25T12:00:01.5Z", Some(43_201)),
        ("2016-12-31T23:59:60Z", Some(86_400)),
        ("2025-07-25T24:00:00Z", None),
        ("2025-07-25T23:60:00Z", None),
        ("2025-07-25T00:00:60Z", None),
        ("2025-07-25T0:00:00Z", None),
        ("2025-07-25T00:00:00", None),
        ("2025-07-25T00:00:00+0800", None),
        ("2101-01-01T00:00:00Z", None),
        ("时间", None),
    ];
    for (text, second_of_day) in table {
        let time = text.parse::<LocalTime>().ok();
        assert_eq!(time.map(|time| time.second_of_day()), second_of_day, "{text}");
    }
}

#[test]
fn answers_are_numbers_as_in_the_contract() {
    let day = Answer::Day(Some("1900-01-01".parse().expect("it is a date")));
    let table = [(Answer::Number(7), 7), (Answer::Flag(true), 1), (day, 693_596), (Answer::Day(None), 0)];
    for (answer, value) in table {
        assert_eq!(answer.value(), value);
    }
}

#[test]
fn differences_read_line_by_line() {
    let award = |points, reason: &str| Award {
        to: Recipient::Member,
        points,
        reason: reason.to_owned(),
        unit: None,
        available_from: None,
        valid_until: None,
        line: None,
    };
    let expected = Outcome::Awards(vec![award(68, "purchase"), award(68, "market-day")]);
    let lined = Award { line: Some(2), unit: Some("green".to_owned()), ..award(67, "market-day") };
    let got = Outcome::Awards(vec![award(68, "purchase"), lined, award(1, "eco")]);
    let difference = expected.compare(got).expect_err("they differ");
    expect![[r#"
        expected (-) and got (+) differ:
          68 points to the member, purchase
        - 68 points to the member, market-day
        + 67 points to the member, market-day, of unit green, for line 2
        + 1 points to the member, eco"#]]
    .assert_eq(&difference.to_string());

    let offer = |worth, restriction: &str| {
        Outcome::Offered(Offer {
            points: 800,
            cash: 990,
            worth,
            benefit: "mug".to_owned(),
            restrictions: vec![restriction.to_owned()],
        })
    };
    let offered = offer(0, "pickup-only").compare(offer(1, "one-store")).expect_err("they differ");
    expect![[r#"
        expected (-) and got (+) differ:
        - 800 points and 990 in cash for mug, worth 0, pickup-only
        + 800 points and 990 in cash for mug, worth 1, one-store"#]]
    .assert_eq(&offered.to_string());

    let none =
        Outcome::Awards(Vec::new()).compare(Outcome::Fault("trap".to_owned())).expect_err("they differ");
    expect![[r#"
        expected (-) and got (+) differ:
        - no awards
        + fault: trap"#]]
    .assert_eq(&none.to_string());
}

#[test]
fn a_part_of_the_message_is_enough() {
    let expected = Outcome::InvalidParameters("per: ".to_owned());
    let got = |message: &str| Outcome::InvalidParameters(message.to_owned());
    assert_eq!(expected.compare(got("per: must be at least 1")), Ok(()));
    assert!(expected.compare(got("points: must be at least 1")).is_err());
    assert!(expected.compare(Outcome::Awards(Vec::new())).is_err());
}
