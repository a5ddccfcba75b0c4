// SPDX-License-Identifier: MIT
//! A case of `iommucheck conform` against a [`Device`], in one process and without the tester: what
//! it asks, and what the device answered when it was found. `iommucheck export --as rust` writes
//! such a case as a `#[test]`, which fails as long as the device answers so.
use crate::device::{attribute, flag, kind, status, Device, Host, Op, RawHost, ABI};
use std::os::raw::c_void;

/// One line of a case. Of an answer: what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Store {
        pa: u64,
        value: u64,
    },
    /// `words` of one value.
    Fill {
        pa: u64,
        words: u64,
        value: u64,
    },
    /// A word of memory, as the driver sees it.
    Load {
        pa: u64,
        answer: u64,
    },
    Write {
        offset: u32,
        bytes: u8,
        value: u64,
    },
    Read {
        offset: u32,
        bytes: u8,
        answer: u64,
    },
    /// An access of four bytes: where it went, or nowhere.
    Dma {
        sid: u32,
        ssid: u32,
        attributes: u8,
        iova: u64,
        answer: Went,
    },
    Save,
    /// ATS: the status, and of one that is done where it leads and the rights (bits 1:0).
    Request {
        sid: u32,
        ssid: u32,
        attributes: u8,
        iova: u64,
        status: u8,
        answer: u64,
    },
    /// The oldest invalidation that an endpoint was sent is done; or none is, and the time is over.
    AtcDone,
    AtcTimeOut,
    Page {
        sid: u32,
        ssid: u32,
        attributes: u8,
        iova: u64,
        index: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Went {
    Nowhere,
    Through,
    To(u64),
}

/// Where memory is, and from where on each word of four bytes holds its address.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    pub pa: u64,
    pub bytes: u64,
    pub data_pa: u64,
}

/// What a DMA writes.
const MARK: u32 = 0xe000_0001;

struct System {
    memory: Memory,
    words: Vec<u64>,
    tags: std::collections::VecDeque<u32>,
}

impl System {
    /// Index of its first byte.
    fn place(&self, pa: u64, bytes: u64) -> Option<usize> {
        let at = pa.checked_sub(self.memory.pa)?;
        (bytes <= self.memory.bytes && at <= self.memory.bytes - bytes).then(|| at as usize)
    }
    fn bytes(&mut self) -> &mut [u8] {
        let count = self.words.len() * 8;
        unsafe { std::slice::from_raw_parts_mut(self.words.as_mut_ptr().cast(), count) }
    }
    fn load(&mut self, pa: u64) -> u64 {
        match self.place(pa, 8) {
            Some(at) => u64::from_le_bytes(self.bytes()[at..at + 8].try_into().unwrap()),
            None => 0,
        }
    }
    fn store(&mut self, pa: u64, value: u64) {
        if let Some(at) = self.place(pa, 8) {
            self.bytes()[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
    }
    /// Where the mark of a DMA lies, which is taken away; for devices that do not say it.
    fn marked(&mut self) -> u64 {
        let (first, pa) = ((self.memory.data_pa - self.memory.pa) as usize, self.memory.pa);
        for (i, word) in self.bytes()[first..].chunks_exact_mut(4).enumerate() {
            if u32::from_le_bytes(word.try_into().unwrap()) == MARK {
                let found = pa + (first + 4 * i) as u64;
                word.copy_from_slice(&(found as u32).to_le_bytes());
                return found;
            }
        }
        0
    }
}

fn system<'a>(ctx: *mut c_void) -> &'a mut System {
    unsafe { &mut *ctx.cast::<System>() }
}
extern "C" fn host_read(ctx: *mut c_void, pa: u64, to: *mut c_void, bytes: u64) -> i32 {
    let own = system(ctx);
    match own.place(pa, bytes) {
        None => 1,
        Some(at) => {
            let from = own.bytes()[at..at + bytes as usize].as_ptr();
            unsafe { std::ptr::copy_nonoverlapping(from, to.cast::<u8>(), bytes as usize) };
            0
        }
    }
}
extern "C" fn host_write(ctx: *mut c_void, pa: u64, from: *const c_void, bytes: u64) -> i32 {
    let own = system(ctx);
    match own.place(pa, bytes) {
        None => 1,
        Some(at) => {
            let to = own.bytes()[at..at + bytes as usize].as_mut_ptr();
            unsafe { std::ptr::copy_nonoverlapping(from.cast::<u8>(), to, bytes as usize) };
            0
        }
    }
}
extern "C" fn host_interrupt(_: *mut c_void, _: u32, _: u32) {}
extern "C" fn host_invalidate(ctx: *mut c_void, _: u32, _: u32, _: u32, tag: u32, _: u64, _: u64) {
    system(ctx).tags.push_back(tag);
}
extern "C" fn host_response(_: *mut c_void, _: u32, _: u32, _: u32, _: u32, _: u32) {}

/// An answer that is another one than it was: the number of its step, and what it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Other {
    pub step: usize,
    pub now: Step,
}

struct Player<D: Device> {
    device: D,
    flags: u32,
    system: *mut System,
}

impl<D: Device> Player<D> {
    fn system(&self) -> &mut System {
        system(self.system.cast())
    }
    fn run(&mut self, mut op: Op) -> Op {
        self.device.answer(&mut op);
        op
    }
    fn holds_memory(&self) -> bool {
        self.flags & flag::HOLDS_MEMORY != 0
    }
    fn store(&mut self, pa: u64, words: u64, value: u64) {
        if self.holds_memory() {
            let op = Op { kind: kind::FILL, bytes: 8, r#where: words as u32, address: pa, value, ..Op::default() };
            self.run(op);
        } else {
            (0..words).for_each(|i| self.system().store(pa + 8 * i, value));
        }
    }
    fn load(&mut self, pa: u64) -> u64 {
        if self.holds_memory() {
            return self.run(Op { kind: kind::LOAD, bytes: 8, address: pa, ..Op::default() }).value;
        }
        self.system().load(pa)
    }
    fn dma(&mut self, sid: u32, ssid: u32, attributes: u8, iova: u64, was: Went) -> Went {
        let writes = attributes & attribute::WRITE != 0;
        let value = if writes { u64::from(MARK) } else { 0 };
        let op =
            Op { kind: kind::DMA, bytes: 4, attributes, r#where: sid, ssid, address: iova, value, ..Op::default() };
        let done = self.run(op);
        match was {
            _ if done.status != status::DONE => Went::Nowhere,
            Went::Through => Went::Through,
            _ if self.flags & flag::GIVES_PA != 0 => Went::To(done.pa),
            _ if writes => Went::To(self.system().marked()),
            _ => Went::To(done.value & 0xffff_ffff),
        }
    }
    /// The same, with the answer that comes now.
    fn step(&mut self, step: Step) -> Step {
        match step {
            Step::Store { pa, value } => self.store(pa, 1, value),
            Step::Fill { pa, words, value } => self.store(pa, words, value),
            Step::Load { pa, .. } => return Step::Load { pa, answer: self.load(pa) },
            Step::Write { offset, bytes, value } => {
                self.run(Op { kind: kind::WRITE, bytes, r#where: offset, value, ..Op::default() });
            }
            Step::Read { offset, bytes, .. } => {
                let op = Op { kind: kind::READ, bytes, r#where: offset, ..Op::default() };
                return Step::Read { offset, bytes, answer: self.run(op).value };
            }
            Step::Dma { sid, ssid, attributes, iova, answer } => {
                let answer = self.dma(sid, ssid, attributes, iova, answer);
                return Step::Dma { sid, ssid, attributes, iova, answer };
            }
            Step::Save => {
                self.run(Op { kind: kind::SAVE_RESTORE, ..Op::default() });
            }
            Step::Request { sid, ssid, attributes, iova, .. } => {
                let op = Op { kind: kind::ATS_REQUEST, attributes, r#where: sid, ssid, address: iova, ..Op::default() };
                let done = self.run(op);
                let answer = if done.status == status::DONE { done.pa | done.value & 3 } else { 0 };
                return Step::Request { sid, ssid, attributes, iova, status: done.status, answer };
            }
            Step::AtcDone => {
                if let Some(tag) = self.system().tags.pop_front() {
                    self.run(Op { kind: kind::ATC_DONE, r#where: tag, ..Op::default() });
                }
            }
            Step::AtcTimeOut => {
                self.system().tags.clear();
                self.run(Op { kind: kind::ATC_TIME_OUT, ..Op::default() });
            }
            Step::Page { sid, ssid, attributes, iova, index } => {
                let op = Op {
                    kind: kind::PAGE_REQUEST,
                    attributes,
                    r#where: sid,
                    ssid,
                    address: iova,
                    value: index,
                    ..Op::default()
                };
                self.run(op);
            }
        }
        step
    }
}

/// The answers that differ from what was written; none: the device answers as it did when the case
/// was found.
pub fn others<D: Device>(memory: Memory, steps: &[Step]) -> Vec<Other> {
    let mut own = System { memory, words: vec![0; (memory.bytes / 8) as usize], tags: Default::default() };
    let first = (memory.data_pa - memory.pa) as usize;
    let pa = memory.pa;
    for (i, word) in own.bytes()[first..].chunks_exact_mut(4).enumerate() {
        word.copy_from_slice(&((pa + (first + 4 * i) as u64) as u32).to_le_bytes());
    }
    let at: *mut System = Box::into_raw(Box::new(own));
    let raw = RawHost {
        size: std::mem::size_of::<RawHost>() as u32,
        abi: ABI,
        ctx: at.cast(),
        read: host_read,
        write: host_write,
        interrupt: host_interrupt,
        memory_pa: memory.pa,
        memory_bytes: memory.bytes,
        seed: 1,
        atc_invalidate: Some(host_invalidate),
        page_response: Some(host_response),
        install: None,
        invalidate: None,
    };
    let device = D::open(unsafe { Host::new(&raw) });
    let mut player = Player { device, flags: D::info().flags, system: at };
    player.device.reset();
    let mut found = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        let now = player.step(*step);
        if now != *step {
            found.push(Other { step: number, now });
        }
    }
    drop(player);
    drop(unsafe { Box::from_raw(at) });
    found
}

/// For a `#[test]`: the device does not answer any more as it did when `what` was found.
///
/// # Panics
/// If it does.
pub fn is_mended<D: Device>(what: &str, memory: Memory, steps: &[Step]) {
    assert!(!others::<D>(memory, steps).is_empty(), "the device still shows: {what}");
}
