use super::*;

#[test]
fn facts_are_written_as_they_are_read() {
    let table = [
        "purchases.lifetime-count",
        "purchases.lifetime-spend-minor",
        "purchases.count-since(2025-07-01)",
        "purchases.spend-minor-since(day 1)",
        "purchases.last-day",
        "awards.granted-since(2100-12-31)",
        "balance.available",
        "balance.pending",
        "membership.registered-day",
        "membership.referred",
    ];
    for text in table {
        assert_eq!(text.parse::<Fact>().expect("it is a fact").to_string(), text);
    }
    for text in ["balance.available(2025-07-01)", "purchases.count-since", "purchases.count-since(soon)", ""]
    {
        assert_eq!(text.parse::<Fact>(), Err(UnknownFact(text.to_owned())));
    }
}
