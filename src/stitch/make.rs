//! The way from records to tasks: what is looked at, what ids join there, what evidence does, and what was made before.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::closure::{Components, Fresh, Ids, borrow_times};
use super::derived;
use super::facts::{Facts, Order};
use super::hubs::Apart;
use super::index::{Among, Before, Made, Overall, Places, TaskIndex, as_they_came};
use super::keys::Read;
use super::looked::Told;
use super::merge::{Found, merge};
use super::sights::{Sweep, sweeps};
use super::tables::{self, Stretch};
use super::touched::{Known, Touched};
use super::weigh::{Kept, KeptCell, OfCell, Settings, Sight, over_cells, weigh};
use super::{StepClock, batch_digest};
use crate::model::{Digest, KeyKind};
use crate::store::{Store, StoreError};

/// What tasks are made of.
pub(super) struct Remake<'t> {
    pub store: &'t Store,
    /// Digest of the store and the settings.
    pub state: Digest,
    /// Method and settings.
    pub made_by: String,
    pub limits: BTreeMap<KeyKind, usize>,
    pub settings: Settings,
    /// What was told of cells before.
    pub kept: &'t Kept,
}

/// The tasks, and what else is written with them.
pub(super) struct Closed {
    pub index: TaskIndex,
    /// Files of the index that are as they were.
    pub stay: Vec<String>,
    /// The files of the tables, and whether each is as it was.
    pub stretches: Vec<(Stretch, bool)>,
    /// What is told of each cell.
    pub cells: Vec<KeptCell>,
    /// Cells that were weighed now.
    pub weighed: usize,
    /// How often parts of the store were gone through for that.
    pub sweeps: usize,
    /// Events that were looked at.
    pub read: usize,
}

impl Remake<'_> {
    /// What the tasks are made from.
    fn made(&self) -> Made {
        let batches = as_they_came(self.store).into_iter().map(|at| {
            let batch = &self.store.batches()[at];
            (batch.batch.clone(), batch_digest(batch).to_string())
        });
        Made {
            settings: self.made_by.clone(),
            batches: batches.collect(),
            sources: BTreeMap::new(),
        }
    }

    /// Joins what new batches touch, and takes all else from what was made before; or joins everything.
    pub(super) fn close(
        &self,
        before: Option<Before>,
        clock: &mut StepClock,
    ) -> Result<Closed, StoreError> {
        let places = Places::new(self.store);
        if u32::try_from(places.len()).is_err() {
            return Err(StoreError::Damaged {
                path: self.store.layout().root.clone(),
                reason: "more than four billion events".to_owned(),
            });
        }
        let now = self.made();
        let segments = places.segments(self.settings.segment);
        let follows = |before: &Before| {
            let made = &before.overall.made;
            made.settings == now.settings
                && now.batches.starts_with(&made.batches)
                && before.has_beginnings_of(&segments)
        };
        if let Some(mut before) = before.filter(follows) {
            let apart = Apart::new(before.overall.hubs.clone(), before.overall.apart.clone());
            let times = std::mem::take(&mut before.times);
            let known = Known {
                store: self.store,
                places: &places,
                before: &before,
                apart: &apart,
                kept: self.kept,
                cell: self.settings.cell,
                held: self.settings.held,
            };
            let touched = known.touched(times)?;
            before.index.forget();
            clock.done("finding what is touched");
            if let Some(touched) = touched
                && let Some(closed) =
                    self.look(&places, Some(before), apart, Some(touched), clock)?
            {
                return Ok(closed);
            }
        }
        let closed = self.look(&places, None, Apart::default(), None, clock)?;
        closed.ok_or_else(|| StoreError::Damaged {
            path: self.store.layout().root.clone(),
            reason: "an event belongs to a task that is not in the store".to_owned(),
        })
    }

    /// Looks at what was touched, or at everything. `None` if that was not all there is to look at.
    fn look(
        &self,
        all: &Places,
        before: Option<Before>,
        mut apart: Apart,
        touched: Option<Touched>,
        clock: &mut StepClock,
    ) -> Result<Option<Closed>, StoreError> {
        let store = self.store;
        let places = match &touched {
            Some(touched) => all.some(&touched.parts),
            None => Places::new(store),
        };
        let among = Among::new(&places, all);
        let mut order = Order::read(store, &places)?;
        let before = before.as_ref();
        if let Some(before) = before {
            order.sources.extend(before.overall.made.sources.clone());
        }
        let old = before.map_or(0, Before::events);
        let fresh_here = touched
            .as_ref()
            .map(|touched| among.of_all(&touched.fresh, true));
        let fresh = Fresh {
            events: fresh_here.as_deref(),
            new: among.first_from(u32::try_from(old).unwrap_or(u32::MAX)),
        };
        let touched = match touched {
            Some(touched) => {
                order.set_times(among.of_all(&touched.times, i64::MAX));
                touched
            }
            None => {
                // Nothing is known of hubs yet.
                let read = Read::of_all(store, &places);
                borrow_times(&read, self.settings.held, &mut order, &apart)?;
                Touched::all(all, Arc::clone(order.times()), self.settings.cell)
            }
        };
        clock.done("reading events");
        let mut components = Components::apart(places.len());
        let segments = all.segments(self.settings.segment);
        let told = before.map(|before| Told::before(before, store, &among, &segments));
        let Some(told) = told.unwrap_or_else(|| Some(Told::default())) else {
            return Ok(None);
        };
        if let Some(is_fresh) = fresh.events {
            components.seed(&told.fragments, is_fresh);
        }
        let ids = Ids {
            store,
            places: &places,
            order: &order,
            fresh: &fresh,
            limits: &self.limits,
            held: self.settings.held,
        };
        let links = ids.close(&mut components, &mut apart)?;
        clock.done("joining by ids");
        let looked = Looked {
            places: &places,
            order: &order,
            apart: &apart,
        };
        let wanted: Vec<usize> = (0..touched.cells.len())
            .filter(|cell| touched.known[*cell].is_none())
            .collect();
        let cells = (&touched.cells[..], &wanted[..]);
        let at_once = self.settings.at_once;
        let sweeps = sweeps(&places, order.times(), &mut components, cells, at_once);
        let weighed = self.weigh(&looked, &mut components, &touched, &sweeps)?;
        clock.done("weighing evidence");
        let stretches_before =
            before.map(|before| tables::stretches(&before.index, self.settings.rows));
        let stretches_before = stretches_before.unwrap_or_default();
        let found = Found {
            among: &among,
            store,
            places: &places,
            order: &order,
            fresh: &fresh,
            components,
            links,
            cells: &weighed,
        };
        derived::begin(store)?;
        let Some(merged) = merge(before, told, found, &touched.times, &segments)? else {
            return Ok(None);
        };
        let of_weighed = weighed.iter().filter(|cell| cell.weighed).count();
        let mut weighed = weighed.into_iter().map(|cell| cell.kept);
        let cells = touched.known.into_iter().map(|known| match known {
            Some(number) => self.kept.at(number),
            None => weighed.next(),
        });
        let Some(cells) = cells.collect::<Option<Vec<KeptCell>>>() else {
            return Ok(None);
        };
        let clocks = cells.iter().map(|cell| cell.clocks().unwrap_or_default());
        let clocks = over_cells(clocks);
        let (hubs, apart) = apart.into_sorted();
        let made = Made {
            sources: std::mem::take(&mut order.sources),
            ..self.made()
        };
        let overall = Overall {
            state: self.state,
            kinds: merged.kinds,
            hubs,
            apart,
            clocks,
            made,
        };
        let index = TaskIndex::new(store, overall, merged.segments)?;
        let stretches = tables::stretches(&index, self.settings.rows).into_iter();
        let is_as_it_was = |stretch: &Stretch| {
            stretches_before.contains(stretch) && !stretch.has_any(&merged.changed)
        };
        let stretches = stretches.map(|stretch| (stretch, is_as_it_was(&stretch)));
        let before = before.map(|before| before.index.files());
        let is_new = |file: &String| !before.iter().flatten().any(|before| before == file);
        let closed = Closed {
            stay: index
                .files()
                .into_iter()
                .filter(|file| !is_new(file) && file != derived::INDEX)
                .collect(),
            stretches: stretches.collect(),
            index,
            cells,
            weighed: of_weighed,
            sweeps: sweeps.len(),
            read: places.len(),
        };
        clock.done("putting it together");
        Ok(Some(closed))
    }

    /// Weighs the cells that are not known, sweep by sweep.
    fn weigh(
        &self,
        looked: &Looked<'_>,
        components: &mut Components,
        touched: &Touched,
        sweeps: &[Sweep],
    ) -> Result<Vec<OfCell>, StoreError> {
        let (store, places, order) = (self.store, looked.places, looked.order);
        let mut weighed: Vec<OfCell> = Vec::new();
        for sweep in sweeps {
            let some = places.some(&sweep.parts);
            let among = Among::new(&some, places);
            let mut part = (!among.is_all()).then(|| (order.some(&among), components.some(&among)));
            let (order, components) = match &mut part {
                Some((order, components)) => (&*order, components),
                None => (order, &mut *components),
            };
            let facts = Facts::read(store, &some, order)?;
            let sight = Sight {
                store,
                places: &some,
                facts: &facts,
                apart: looked.apart,
            };
            let cells = (&touched.cells[..], &sweep.over[..]);
            let of_sweep = weigh(&sight, components, self.settings, self.kept, cells)?;
            for mut cell in of_sweep {
                cell.renumber(|event| among.all(event));
                weighed.push(cell);
            }
        }
        Ok(weighed)
    }
}

/// The events that are looked at, and what joins none of them.
struct Looked<'l> {
    places: &'l Places,
    order: &'l Order,
    apart: &'l Apart,
}
