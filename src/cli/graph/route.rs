//! The way of a jump through a picture: along a grid, around every box, with few corners, rather beside other lines than on them.
//!
//! Always ends: the grid is finite. Where there is no way, there is none.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::scene::{Kind, Rect, Scene};

/// Pixels of a cell.
const CELL: i32 = 8;
/// Cells around the picture.
const MARGIN: i32 = 6;
/// Pixels that stay free around a box.
const CLEAR: i32 = 7;
/// What a cell costs, a corner, a cell on another line, a cell across one.
const STEP: u32 = 10;
const CORNER: u32 = 45;
const ALONG: u32 = 60;
const ACROSS: u32 = 12;
/// What it costs to come in where another line goes in or out.
const BUSY: u32 = 500;

const WAYS: [(i32, i32); 4] = [(1, 0), (0, 1), (-1, 0), (0, -1)];

/// A cell, and the way by which it was come to.
type Place = (i32, i32, usize);
/// What the cheapest way to each place costs, and the place before it.
type Ways = HashMap<Place, (u32, Option<Place>)>;

/// From the left or right side of one box to that of another.
pub(crate) fn route(scene: &Scene, from: Rect, to: Rect) -> Option<Vec<(i32, i32)>> {
    let grid = Grid::new(scene);
    let goals: HashMap<(i32, i32), usize> = ports(to).into_iter().map(|(x, y, way)| (grid.cell(x, y), (way + 2) % 4)).collect();
    let mut heap = BinaryHeap::new();
    let mut best: Ways = HashMap::new();
    for (x, y, way) in ports(from) {
        let (x, y) = grid.cell(x, y);
        best.insert((x, y, way), (0, None));
        heap.push(Reverse((0, 0, x, y, way)));
    }
    while let Some(Reverse((_, cost, x, y, way))) = heap.pop() {
        if best.get(&(x, y, way)).is_some_and(|(known, _)| *known < cost) {
            continue;
        }
        if goals.get(&(x, y)) == Some(&way) {
            return Some(grid.points(&best, (x, y, way), from, to));
        }
        for (turn, (dx, dy)) in WAYS.iter().enumerate() {
            let (nx, ny) = (x + dx, y + dy);
            if turn == (way + 2) % 4 || !grid.is_free(nx, ny) {
                continue;
            }
            let corner = if turn == way { 0 } else { CORNER };
            let shared = grid.shared(nx, ny, turn);
            let busy = if shared > 0 && goals.contains_key(&(nx, ny)) { BUSY } else { 0 };
            let next = cost + STEP + corner + shared + busy;
            if best.get(&(nx, ny, turn)).is_none_or(|(known, _)| next < *known) {
                best.insert((nx, ny, turn), (next, Some((x, y, way))));
                let left = goals.keys().map(|(gx, gy)| gx.abs_diff(nx) + gy.abs_diff(ny)).min().unwrap_or(0);
                heap.push(Reverse((next + left * STEP, next, nx, ny, turn)));
            }
        }
    }
    None
}

/// Where a box may be left: beside the middle of its left and right side, and in which of the ways.
fn ports(place: Rect) -> [(i32, i32, usize); 2] {
    let middle = place.y + place.h / 2;
    [(place.x - CELL - CLEAR, middle, 2), (place.x + place.w + CELL + CLEAR, middle, 0)]
}

struct Grid {
    x: i32,
    y: i32,
    w: i32,
    h: i32,
    taken: Vec<bool>,
    /// Lines of others: in bit 0 along, in bit 1 up and down.
    lines: Vec<u8>,
}

impl Grid {
    fn new(scene: &Scene) -> Self {
        let points = scene.boxes.iter().flat_map(|b| [(b.place.x, b.place.y), (b.place.x + b.place.w, b.place.y + b.place.h)]);
        let all: Vec<(i32, i32)> = points.chain(scene.lines.iter().flat_map(|l| l.points.iter().copied())).collect();
        let least = |of: fn(&(i32, i32)) -> i32| all.iter().map(of).min().unwrap_or(0);
        let most = |of: fn(&(i32, i32)) -> i32| all.iter().map(of).max().unwrap_or(0);
        let (x, y) = (least(|p| p.0).div_euclid(CELL) - MARGIN, least(|p| p.1).div_euclid(CELL) - MARGIN);
        let (w, h) = (most(|p| p.0).div_euclid(CELL) + MARGIN - x + 1, most(|p| p.1).div_euclid(CELL) + MARGIN - y + 1);
        let cells = usize::try_from(w * h).unwrap_or(0);
        let mut grid = Self { x, y, w, h, taken: vec![false; cells], lines: vec![0; cells] };
        for place in scene.boxes.iter().map(|b| b.place).chain(scene.labels.iter().map(|l| l.place)) {
            let (left, top) = grid.cell(place.x - CLEAR, place.y - CLEAR);
            let (right, bottom) = grid.cell(place.x + place.w + CLEAR, place.y + place.h + CLEAR);
            for (cx, cy) in (left..=right).flat_map(|cx| (top..=bottom).map(move |cy| (cx, cy))) {
                if let Some(at) = grid.index(cx, cy) {
                    grid.taken[at] = true;
                }
            }
        }
        for line in &scene.lines {
            for pair in line.points.windows(2) {
                grid.mark(pair[0], pair[1], line.kind);
            }
        }
        grid
    }

    fn mark(&mut self, a: (i32, i32), b: (i32, i32), kind: Kind) {
        let ((ax, ay), (bx, by)) = (self.cell(a.0, a.1), self.cell(b.0, b.1));
        let bit = if a.1 == b.1 { 1 } else { 2 };
        for cx in ax.min(bx)..=ax.max(bx) {
            for cy in ay.min(by)..=ay.max(by) {
                if let Some(at) = self.index(cx, cy) {
                    self.lines[at] |= bit;
                    self.taken[at] |= kind == Kind::Bar;
                }
            }
        }
    }

    fn cell(&self, x: i32, y: i32) -> (i32, i32) {
        (x.div_euclid(CELL) - self.x, y.div_euclid(CELL) - self.y)
    }

    fn index(&self, x: i32, y: i32) -> Option<usize> {
        ((0..self.w).contains(&x) && (0..self.h).contains(&y)).then(|| usize::try_from(y * self.w + x).unwrap_or(0))
    }

    fn is_free(&self, x: i32, y: i32) -> bool {
        self.index(x, y).is_some_and(|at| !self.taken[at])
    }

    /// What it costs to share a cell with other lines.
    fn shared(&self, x: i32, y: i32, way: usize) -> u32 {
        let bits = self.index(x, y).map_or(0, |at| self.lines[at]);
        let (along, across) = if way.is_multiple_of(2) { (1, 2) } else { (2, 1) };
        (if bits & along != 0 { ALONG } else { 0 }) + (if bits & across != 0 { ACROSS } else { 0 })
    }

    /// The corners of the way, from the side of one box to that of the other.
    fn points(&self, best: &Ways, end: Place, from: Rect, to: Rect) -> Vec<(i32, i32)> {
        let mut cells = vec![end];
        while let Some((_, Some(before))) = best.get(&cells[cells.len() - 1]) {
            cells.push(*before);
        }
        cells.reverse();
        let pixel = |(x, y, _): &Place| ((x + self.x) * CELL + CELL / 2, (y + self.y) * CELL + CELL / 2);
        let mut points: Vec<(i32, i32)> = cells.iter().map(pixel).collect();
        level(&mut points, from.y + from.h / 2);
        points.reverse();
        level(&mut points, to.y + to.h / 2);
        points.reverse();
        let side = |place: Rect, x: i32| if x < place.x { place.x } else { place.x + place.w };
        if let (Some(first), Some(last)) = (points.first().copied(), points.last().copied()) {
            points.insert(0, (side(from, first.0), first.1));
            points.push((side(to, last.0), last.1));
        }
        let inner = |w: &[(i32, i32)]| !(w[0].0 == w[1].0 && w[1].0 == w[2].0 || w[0].1 == w[1].1 && w[1].1 == w[2].1);
        let corners: Vec<(i32, i32)> = points.windows(3).filter(|w| inner(w)).map(|w| w[1]).collect();
        points.first().copied().into_iter().chain(corners).chain(points.last().copied()).collect()
    }
}

/// The beginning of a way at just this height.
fn level(points: &mut [(i32, i32)], y: i32) {
    let Some((_, first)) = points.first().copied() else { return };
    points.iter_mut().take_while(|p| p.1 == first).for_each(|p| p.1 = y);
}
