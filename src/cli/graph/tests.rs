//! Pictures of flows: nothing lies on anything else, every step is there once, and what is drawn is what the definition says.

use std::collections::BTreeSet;
use std::path::Path;

use super::layout::layout;
use super::outline::outline;
use super::scene::{Kind, Rect, Scene};
use super::*;
use crate::config;
use crate::engine::definition::At;

const CONFIG: &str = "
lang: zh
data: ./data
sources:
  crm: { webhook: {}, event: '{{ type }}', record: { entity: quote, fields: { id: id, amount: amount } } }
connections:
  mail: { smtp: { host: smtp.example.com, from: sales@example.com }, deliver: preview }
  erp: { http: { base: 'https://erp.example.com' }, deliver: preview }
";

pub(in crate::cli) const FLOWS: &str = include_str!("sample.yaml");

/// The compiled sample.
fn flows() -> Definitions {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    std::fs::write(folder.path().join("config.yaml"), CONFIG).unwrap();
    std::fs::write(folder.path().join("rules/all.yaml"), FLOWS).unwrap();
    let loaded = config::load(&folder.path().join("config.yaml"), &config::Options::default());
    loaded.unwrap_or_else(|r| panic!("{}", r.render(Lang::En, false))).definitions
}

fn scene(flow: &Flow) -> Scene {
    layout(flow, &outline(flow), &Marks::default(), Lang::Zh)
}

/// Whether a piece of a line goes through a place.
fn through(a: (i32, i32), b: (i32, i32), place: Rect) -> bool {
    let line = Rect { x: a.0.min(b.0), y: a.1.min(b.1), w: (a.0 - b.0).abs().max(1), h: (a.1 - b.1).abs().max(1) };
    let inner = Rect { x: place.x + 2, y: place.y + 2, w: place.w - 4, h: place.h - 4 };
    line.meets(&inner)
}

#[test]
fn nothing_lies_on_anything_else() {
    for flow in flows().flows.values() {
        let scene = scene(flow);
        let places: Vec<Rect> = scene.boxes.iter().map(|b| b.place).chain(scene.labels.iter().map(|l| l.place)).collect();
        for (n, place) in places.iter().enumerate() {
            assert!(place.x >= 0 && place.y >= 0 && place.x + place.w <= scene.size.0 && place.y + place.h <= scene.size.1);
            for other in &places[n + 1..] {
                assert!(!place.meets(other), "{}: {place:?} lies on {other:?}", flow.id);
            }
        }
        for line in &scene.lines {
            let own = [line.points[0], *line.points.last().unwrap()];
            for boxed in scene.boxes.iter().filter(|b| !own.iter().any(|p| on_edge(*p, b.place))) {
                for pair in line.points.windows(2) {
                    assert!(!through(pair[0], pair[1], boxed.place), "{}: {line:?} goes through {:?}", flow.id, boxed.text);
                }
            }
        }
    }
}

fn on_edge(point: (i32, i32), place: Rect) -> bool {
    let (x, y) = point;
    (place.x..=place.x + place.w).contains(&x) && (place.y..=place.y + place.h).contains(&y)
}

#[test]
fn every_step_and_every_jump_is_there_once() {
    let definitions = flows();
    for flow in definitions.flows.values() {
        let scene = scene(flow);
        let drawn: Vec<At> = scene.boxes.iter().filter_map(|b| b.at).collect();
        let set: BTreeSet<At> = drawn.iter().copied().collect();
        assert_eq!((drawn.len(), set.len()), (flow.steps.len(), flow.steps.len()), "{}", flow.id);
        let jumps = (0..flow.steps.len()).filter(|at| outline::jump(flow, *at).is_some()).count();
        assert_eq!(scene.lines.iter().filter(|l| l.kind == Kind::Jump).count(), jumps, "{}", flow.id);
    }
    let approval = &definitions.flows["报价审批"];
    assert!(outline(approval).asides.iter().all(|a| a.head != outline::Head::Loose));
}

#[test]
fn hostile_text_stays_text() {
    let flow = &flows().flows["报价审批"];
    let mut flow = flow.as_ref().clone();
    flow.title = Some("</title><script>alert('1')</script>".into());
    flow.steps[0].title = Some("a\"]; b [x=\"<b>&\u{1b}[31m".into());
    let svg = draw(&flow, &Marks::default(), Format::Svg, Lang::Zh);
    assert!(!svg.contains("<script>") && !svg.contains("<b>") && !svg.contains('\u{1b}'));
    assert!(svg.contains("&lt;b&gt;&amp;"));
    let dot = draw(&flow, &Marks::default(), Format::Dot, Lang::Zh);
    assert!(dot.contains("a\\\"]; b [x=\\\"<b>&") && !dot.contains('\u{1b}'));
    let mermaid = draw(&flow, &Marks::default(), Format::Mermaid, Lang::Zh);
    assert!(mermaid.contains("a#quot;]; b [x=#quot;#lt;b#gt;#amp;"), "{mermaid}");
}

#[test]
fn text_mermaid_and_dot_as_they_are() {
    let definitions = flows();
    let mut all = String::new();
    for (id, lang) in [("报价审批", Lang::Zh), ("发货", Lang::En)] {
        for format in [Format::Text, Format::Mermaid, Format::Dot] {
            all += &format!("== {id} {format:?}\n{}\n", draw(&definitions.flows[id], &Marks::default(), format, lang));
        }
    }
    let expected = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/graph/expected.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&expected, &all).unwrap();
    }
    assert_eq!(all, std::fs::read_to_string(expected).unwrap_or_default());
}
