//! Where a debug build can be made to die at an exact place, as if the power had failed just there: no unwinding, no flushing, nobody told.
//! A release build has none of it: [`reach`] is empty there, and no environment is read.
//!
//! `IFTHEN_ABORT=committed:7` ends the process at the seventh commit of a batch, once it is on disk.

/// A place where the process may die. What it had promised by then must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    /// `commit`: a batch is written, its commit is about to be asked for.
    Commit,
    /// `committed`: it is on disk; nobody has been told, nothing of it has begun.
    Committed,
    /// `answered`: the other side has answered a call; its outcome is not on disk.
    Answered,
}

/// Dies here, if this is where it was to.
#[cfg(not(debug_assertions))]
pub(crate) fn reach(_: Point) {}

#[cfg(debug_assertions)]
pub(crate) use armed::reach;

#[cfg(debug_assertions)]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::Point;

    const VARIABLE: &str = "IFTHEN_ABORT";

    /// Where, and at the so manieth time, from 1.
    #[derive(Debug, PartialEq, Eq)]
    struct Armed {
        point: Point,
        time: u64,
    }

    /// Dies here, if this is where it was to.
    pub(crate) fn reach(point: Point) {
        static ARMED: OnceLock<Option<Armed>> = OnceLock::new();
        static REACHED: AtomicU64 = AtomicU64::new(0);
        let armed = ARMED.get_or_init(|| std::env::var(VARIABLE).ok().map(|text| read(&text)));
        let Some(armed) = armed.as_ref().filter(|armed| armed.point == point) else { return };
        if REACHED.fetch_add(1, Ordering::SeqCst) + 1 == armed.time {
            std::process::abort();
        }
    }

    /// One that is misspelt would never be reached, and a test of it would show nothing.
    fn read(text: &str) -> Armed {
        let (name, time) = text.split_once(':').unwrap_or((text, ""));
        let point = match name {
            "commit" => Some(Point::Commit),
            "committed" => Some(Point::Committed),
            "answered" => Some(Point::Answered),
            _ => None,
        };
        match (point, time.parse()) {
            (Some(point), Ok(time)) => Armed { point, time },
            _ => panic!("{VARIABLE}={text}: write commit:N, committed:N or answered:N"),
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn what_is_misspelt_is_refused() {
            assert_eq!(read("committed:7"), Armed { point: Point::Committed, time: 7 });
            for wrong in ["", "commit", "commit:", "comit:1", "answered:x"] {
                assert!(std::panic::catch_unwind(|| read(wrong)).is_err(), "{wrong}");
            }
        }
    }
}
