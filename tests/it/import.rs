//! Opening balances: from a file of an old system into the ledger, once.

use serde_json::Value;

use crate::town::{Town, registration};

const HEADER: &str = "member,unit,points,issuer,expires\n";
const TIME: &str = "2026-01-01T00:00:00+08:00";

/// Imports rows into a ledger. Returns the run's summary and what was complained about.
fn import(town: &Town, rows: &str) -> (Value, String) {
    town.write("balances.csv", format!("{HEADER}{rows}"));
    let imported = town.done(&["import", "balances.csv", "--time", TIME]);
    town.write("events.jsonl", &imported.out);
    let ran = town.done(&Town::run_arguments("l.db", &["--json"]));
    (ran.json(), imported.err + &ran.err)
}

#[test]
fn balances_are_brought_along_once() {
    let town = Town::new();
    town.program(&[("spend", "spend", "base", "")]);
    let rows = "ann,points,1200,platform,2026-06-30\nann,points,300,shop,\nbob, points , 7 ,platform,\nbob,points,7,platform,\n";
    let (first, complaints) = import(&town, rows);
    assert_eq!(
        (&first["applied"], &first["by_deployment"]["opening"]),
        (&4.into(), &1514.into()),
        "{complaints}"
    );
    assert_eq!(town.balances("l.db"), "ann 1500, bob 14");
    let (again, _) = import(&town, rows);
    assert_eq!((&again["applied"], &again["duplicate"]), (&0.into(), &4.into()));

    let (other, complaints) =
        import(&town, "ann,points,300,shop,\nann,points,1300,platform,2026-06-30\ncai,points,1,shop,\n");
    assert_eq!(
        (&other["applied"], &other["duplicate"], &other["refused"]),
        (&1.into(), &1.into(), &1.into())
    );
    assert!(complaints.contains("data.points: conflict: another event"), "{complaints}");

    let mut later = registration("late", "dan", "2026-07-01T00:00:00+08:00");
    later["data"]["member"] = "dan".into();
    town.summary("l.db", &[later]);
    assert_eq!(town.balances("l.db"), "ann 300, bob 14, cai 1");
    assert_eq!(town.replay("l.db"), 6);
}

#[test]
fn a_row_that_is_wrong_is_named_and_the_others_go_on() {
    let town = Town::new();
    town.program(&[("spend", "spend", "base", "")]);
    for (row, complaint) in [
        ("ann,points,0,platform,", "data.points: is 0"),
        ("ann,points,-1,platform,", "line 2: CSV deserialize error"),
        ("ann,points,1.5,platform,", "line 2: CSV deserialize error"),
        (
            "ann,points,1,platform,30.6.2026",
            "data.expires: \"30.6.2026\" is not a day; write it as 2026-03-31",
        ),
        ("ann,points,1,platform", "line 2: CSV error"),
        (",points,1,platform,", "data.member: must be 1 to 256 bytes"),
        ("ann,gold,1,platform,", "data.unit: gold is not a unit of the program"),
        ("ann,points,1,nobody,", "data.issuer: nobody is neither platform nor a merchant of the program"),
        (
            "ann,points,1,platform,2025-12-31",
            "data.expires: the points had ended at 2026-01-01T00:00:00+08:00",
        ),
    ] {
        let (summary, complaints) = import(&town, &format!("{row}\nbob,points,3,platform,\n"));
        assert!(complaints.contains(complaint), "{row}: {complaints}");
        assert_eq!(town.balances("l.db"), "bob 3", "{row}: {summary}");
    }
    let other = town.done(&["import", "nowhere.csv", "--time", TIME]);
    assert!(other.code == Some(2) && other.err.contains("open nowhere.csv"), "{other:?}");
    town.write("balances.csv", "who,points\nann,3\n");
    let other = town.done(&["import", "balances.csv", "--time", TIME]);
    assert!(other.code == Some(3) && other.err.contains("unknown field `who`"), "{other:?}");
}
