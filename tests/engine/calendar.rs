//! Working time in rules and flows: which calendar is meant, and that everything a condition sees goes by it.

use super::world::World;

const CALENDARS: &str = "
calendars:
  客服: { base: CN }
  门店: { base: 客服, hours: { sat-sun: 10:00-20:00 } }
";

/// A world at that time in Shanghai.
fn at(rules: &str, time: &str) -> World {
    let mut world = World::new(&format!("{CALENDARS}{rules}"));
    world.now = format!("{}+08:00", time.replace(' ', "T")).parse().unwrap();
    world
}

#[test]
fn a_rules_calendar_is_the_one_its_condition_and_actions_go_by() {
    let rules = "
rules:
  office:
    when: lead.created
    calendar: 客服
    if: is_working_time() and not is_working_time(now(), '门店')
    then: [ { set: { owner_at: \"= next_opening('2026-10-10 20:00')\" } }, { log: '{{ owner_at }}' } ]
  shop: { when: lead.created, calendar: 门店, if: is_working_time(), then: [ { log: shop } ] }
  usual: { when: lead.created, if: is_working_time(), then: [ { log: usual } ] }
flows:
  visit:
    when: lead.created
    calendar: 客服
    if: is_working_time()
    steps: [ { if: is_working_time(), set: { owner_at: \"= add_working_hours(now(), 8)\" } }, { log: 'visit {{ owner_at }}' } ]
";
    // A Saturday that is worked: the office from nine, the shop from ten.
    let mut worked = at(rules, "2026-10-10 09:30");
    worked.lead("L1", &[]);
    assert_eq!(
        worked.said(),
        [
            "office rule fired",
            "office set done",
            "office log done text=2026-10-12 09:00",
            "visit start fired",
            "visit set done",
            "visit log done text=visit 2026-10-12 09:30",
            "visit end done",
        ]
    );
    // An ordinary Saturday.
    let mut saturday = at(rules, "2026-10-17 11:00");
    saturday.lead("L1", &[]);
    assert_eq!(saturday.said(), ["shop rule fired", "shop log done text=shop", "usual rule fired", "usual log done text=usual"]);
    // One of the National Day holidays.
    let mut holiday = at(rules, "2026-10-03 11:00");
    holiday.lead("L1", &[]);
    assert_eq!(holiday.said(), Vec::<String>::new());
}

#[test]
fn a_flow_waits_in_the_time_of_its_calendar() {
    for (wait, calendar, from, until) in [
        ("8 working hours", "客服", "2026-09-24 16:00", "2026-09-28 16:00"),
        ("8 working hours", "门店", "2026-10-08 12:00", "2026-10-10 18:00"), // open on days off only, and on make-up workdays
        ("2 working days", "客服", "2026-09-30 15:00", "2026-10-09 15:00"),
        ("2个工作日", "客服", "2026-09-30 15:00", "2026-10-09 15:00"),
        ("1 month", "客服", "2027-01-31 09:00", "2027-02-28 09:00"),
        ("5d", "客服", "2026-09-21 16:30", "2026-09-26 16:30"),
        ("24h", "客服", "2026-09-21 16:30", "2026-09-22 16:30"),
    ] {
        let flow = format!(
            "flows: {{ f: {{ when: lead.created, calendar: {calendar}, steps: [ {{ wait: {wait} }}, {{ log: x }} ] }} }}\n"
        );
        let mut world = at(&flow, from);
        world.lead("L1", &[]);
        let line = world.log.iter().find(|l| l.action == "wait").unwrap();
        let told = line.detail.at(&["until"]).unwrap().to_string().parse::<jiff::Timestamp>().unwrap();
        let zone = &world.definitions.zone.0;
        assert_eq!(zone.to_datetime(told).strftime("%Y-%m-%d %H:%M").to_string(), until, "{from} + {wait}");
        world.said();
        world.now = told;
        world.pass("0s");
        assert_eq!(world.said(), ["f log done text=x", "f end done"]);
    }
}
