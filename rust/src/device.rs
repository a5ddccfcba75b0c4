// SPDX-License-Identifier: MIT
//! A device under test: implement [`Device`], name it to [`export_device!`](crate::export_device) in
//! a `cdylib`, and `iommucheck conform --device ./libmine.so` judges it.
use std::ffi::CString;
use std::os::raw::{c_char, c_void};
use std::panic::{catch_unwind, AssertUnwindSafe};

/// `IOMMUCHECK_DUT_ABI`.
pub const ABI: u32 = 1;

/// What is asked: `iommucheck_dut_op.kind`.
pub mod kind {
    pub const READ: u8 = 1;
    pub const WRITE: u8 = 2;
    pub const DMA: u8 = 3;
    pub const STORE: u8 = 4;
    pub const FILL: u8 = 5;
    pub const LOAD: u8 = 6;
    pub const SAVE_RESTORE: u8 = 7;
    pub const ATS_REQUEST: u8 = 8;
    pub const ATC_DONE: u8 = 9;
    pub const ATC_TIME_OUT: u8 = 10;
    pub const RECORD_EVENT: u8 = 11;
    pub const PAGE_REQUEST: u8 = 12;
}

/// `iommucheck_dut_op.attributes`.
pub mod attribute {
    pub const WRITE: u8 = 0x1;
    pub const PRIVILEGED: u8 = 0x2;
    pub const INSTRUCTION: u8 = 0x4;
    pub const SUBSTREAM: u8 = 0x8;
    pub const TRANSLATED: u8 = 0x10;
    pub const READ: u8 = 0x40;
    pub const LAST: u8 = 0x80;
}

/// `iommucheck_dut_op.status`.
pub mod status {
    pub const DONE: u8 = 1;
    pub const TERMINATED: u8 = 2;
    pub const STALLED: u8 = 3;
    pub const REFUSED: u8 = 4;
    pub const UNSUPPORTED: u8 = 5;
    pub const COMPLETER_ABORT: u8 = 6;
}

/// `iommucheck_dut_info.flags`.
pub mod flag {
    pub const PROMPT: u32 = 0x1;
    pub const GIVES_PA: u32 = 0x2;
    pub const HOLDS_MEMORY: u32 = 0x4;
    pub const SAVES: u32 = 0x8;
    pub const SENDS_PRIVILEGED: u32 = 0x10;
    pub const SENDS_INSTRUCTIONS: u32 = 0x20;
    pub const SENDS_SUBSTREAMS: u32 = 0x40;
    pub const WIRES_INTERRUPTS: u32 = 0x80;
    pub const ATS: u32 = 0x100;
    pub const DELEGATES: u32 = 0x200;
    pub const PRI: u32 = 0x400;
}

/// One operation and its answer.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Op {
    pub kind: u8,
    pub bytes: u8,
    pub attributes: u8,
    pub status: u8,
    pub r#where: u32,
    pub ssid: u32,
    pub reserved: u32,
    pub address: u64,
    pub value: u64,
    pub pa: u64,
}

/// `iommucheck_dut_host`, as the tester hands it over.
#[repr(C)]
pub struct RawHost {
    pub size: u32,
    pub abi: u32,
    pub ctx: *mut c_void,
    pub read: extern "C" fn(*mut c_void, u64, *mut c_void, u64) -> i32,
    pub write: extern "C" fn(*mut c_void, u64, *const c_void, u64) -> i32,
    pub interrupt: extern "C" fn(*mut c_void, u32, u32),
    pub memory_pa: u64,
    pub memory_bytes: u64,
    pub seed: u64,
    pub atc_invalidate: Option<extern "C" fn(*mut c_void, u32, u32, u32, u32, u64, u64)>,
    pub page_response: Option<extern "C" fn(*mut c_void, u32, u32, u32, u32, u32)>,
    pub install: Option<extern "C" fn(*mut c_void, u32, u32, *const u64)>,
    pub invalidate: Option<extern "C" fn(*mut c_void, *const u64, u32)>,
}
/// `IOMMUCHECK_DUT_HOST_SIZE_VER0`: what a tester of any version has.
pub const RAW_HOST_SIZE_VER0: u32 = 64;

/// `iommucheck_dut_info`.
#[repr(C)]
pub struct RawInfo {
    pub size: u32,
    pub abi: u32,
    pub flags: u32,
    pub sid_count: u32,
    pub sids: [u32; 16],
    pub name: [u8; 32],
    pub release: [u8; 32],
    pub mmio_bytes: u64,
    pub iova_end: u64,
}

/// `iommucheck_dut`.
#[repr(C)]
pub struct RawDut {
    pub size: u32,
    pub abi: u32,
    pub open: extern "C" fn(*const RawHost, *mut RawInfo) -> *mut c_void,
    pub reset: extern "C" fn(*mut c_void) -> i32,
    pub run: extern "C" fn(*mut c_void, *mut Op, u64) -> i64,
    pub last_words: extern "C" fn(*mut c_void) -> *const c_char,
    pub close: extern "C" fn(*mut c_void),
}

/// The system around the SMMU: its memory, interrupts and endpoints.
pub struct Host {
    raw: *const RawHost,
}

/// A read or write of memory that ended in an external abort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aborted;

impl Host {
    /// # Safety
    /// `raw` is a tester's, and outlives the result.
    pub unsafe fn new(raw: *const RawHost) -> Host {
        Host { raw }
    }
    fn raw(&self) -> &RawHost {
        unsafe { &*self.raw }
    }
    /// Whether the host's struct reaches so far: what is behind its size is absent.
    fn reaches(&self, end: usize) -> bool {
        self.raw().size as usize >= end
    }
    pub fn memory_pa(&self) -> u64 {
        self.raw().memory_pa
    }
    pub fn memory_bytes(&self) -> u64 {
        self.raw().memory_bytes
    }
    pub fn seed(&self) -> u64 {
        self.raw().seed
    }
    pub fn read(&self, pa: u64, to: &mut [u8]) -> Result<(), Aborted> {
        let raw = self.raw();
        match (raw.read)(raw.ctx, pa, to.as_mut_ptr().cast(), to.len() as u64) {
            0 => Ok(()),
            _ => Err(Aborted),
        }
    }
    pub fn write(&self, pa: u64, from: &[u8]) -> Result<(), Aborted> {
        let raw = self.raw();
        match (raw.write)(raw.ctx, pa, from.as_ptr().cast(), from.len() as u64) {
            0 => Ok(()),
            _ => Err(Aborted),
        }
    }
    /// `N` words of 64 bits.
    pub fn words<const N: usize>(&self, pa: u64) -> Result<[u64; N], Aborted> {
        let mut words = [0u64; N];
        let mut bytes = [0u8; 8];
        for (i, word) in words.iter_mut().enumerate() {
            self.read(pa + 8 * i as u64, &mut bytes)?;
            *word = u64::from_le_bytes(bytes);
        }
        Ok(words)
    }
    pub fn write_words(&self, pa: u64, words: &[u64]) -> Result<(), Aborted> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.write(pa, &bytes)
    }
    /// A wire: `IOMMUCHECK_IRQ_*` of words.h, and 0 low, 1 high, 2 edge.
    pub fn interrupt(&self, line: u32, level: u32) {
        let raw = self.raw();
        (raw.interrupt)(raw.ctx, line, level);
    }
    /// CMD_ATC_INV, to an endpoint; ATC_DONE brings `tag` back.
    pub fn atc_invalidate(&self, sid: u32, attributes: u32, ssid: u32, tag: u32, at: u64, bytes: u64) {
        if !self.reaches(72) {
            return;
        }
        if let Some(call) = self.raw().atc_invalidate {
            call(self.raw().ctx, sid, attributes, ssid, tag, at, bytes);
        }
    }
    pub fn page_response(&self, sid: u32, attributes: u32, ssid: u32, prg_index: u32, code: u32) {
        if !self.reaches(80) {
            return;
        }
        if let Some(call) = self.raw().page_response {
            call(self.raw().ctx, sid, attributes, ssid, prg_index, code);
        }
    }
}

/// What the device says of itself.
#[derive(Clone, Debug)]
pub struct Info {
    /// `flag::*`.
    pub flags: u32,
    /// 2 to 16 StreamIDs that its engines have.
    pub sids: Vec<u32>,
    pub name: String,
    pub release: String,
    /// 0x20000 at least.
    pub mmio_bytes: u64,
    /// Input addresses from here on cannot be sent; 0: all can.
    pub iova_end: u64,
}

/// A model of an SMMUv3. A panic in it is a finding, with its message.
pub trait Device: Sized + 'static {
    fn info() -> Info;
    /// As after power on.
    fn open(host: Host) -> Self;
    /// Before every case: as after `open`.
    fn reset(&mut self);
    /// Answers in `op.status`, `op.value`, `op.pa`.
    fn answer(&mut self, op: &mut Op);
}

struct Opened<D> {
    device: D,
    last_words: CString,
}

fn text_of(panic: Box<dyn std::any::Any + Send>) -> CString {
    let text = match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_string(),
        (_, Some(text)) => text.clone(),
        _ => "a panic".to_string(),
    };
    CString::new(text.replace('\0', " ")).unwrap_or_default()
}

fn put_name(to: &mut [u8; 32], name: &str) {
    for (place, byte) in to.iter_mut().take(31).zip(name.bytes()) {
        *place = byte;
    }
}

/// `iommucheck_dut.open`.
pub extern "C" fn open<D: Device>(host: *const RawHost, info: *mut RawInfo) -> *mut c_void {
    if host.is_null() || info.is_null() || unsafe { (*host).abi != ABI || (*host).size < RAW_HOST_SIZE_VER0 } {
        return std::ptr::null_mut();
    }
    let opened = catch_unwind(|| {
        let said = D::info();
        let into = unsafe { &mut *info };
        into.flags = said.flags;
        into.sid_count = said.sids.len().min(16) as u32;
        into.sids.iter_mut().zip(&said.sids).for_each(|(place, sid)| *place = *sid);
        put_name(&mut into.name, &said.name);
        put_name(&mut into.release, &said.release);
        into.mmio_bytes = said.mmio_bytes;
        into.iova_end = said.iova_end;
        Opened { device: D::open(unsafe { Host::new(host) }), last_words: CString::default() }
    });
    match opened {
        Ok(opened) => Box::into_raw(Box::new(opened)).cast(),
        Err(_) => std::ptr::null_mut(),
    }
}

/// `iommucheck_dut.reset`.
pub extern "C" fn reset<D: Device>(dut: *mut c_void) -> i32 {
    let own = unsafe { &mut *dut.cast::<Opened<D>>() };
    match catch_unwind(AssertUnwindSafe(|| own.device.reset())) {
        Ok(()) => 0,
        Err(panic) => {
            own.last_words = text_of(panic);
            1
        }
    }
}

/// `iommucheck_dut.run`.
pub extern "C" fn run<D: Device>(dut: *mut c_void, ops: *mut Op, count: u64) -> i64 {
    let own = unsafe { &mut *dut.cast::<Opened<D>>() };
    let ops = unsafe { std::slice::from_raw_parts_mut(ops, count as usize) };
    for (done, op) in ops.iter_mut().enumerate() {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| own.device.answer(op))) {
            own.last_words = text_of(panic);
            return done as i64;
        }
    }
    count as i64
}

/// `iommucheck_dut.last_words`.
pub extern "C" fn last_words<D: Device>(dut: *mut c_void) -> *const c_char {
    unsafe { (*dut.cast::<Opened<D>>()).last_words.as_ptr() }
}

/// `iommucheck_dut.close`.
pub extern "C" fn close<D: Device>(dut: *mut c_void) {
    drop(unsafe { Box::from_raw(dut.cast::<Opened<D>>()) });
}

/// The table of `D`'s functions.
pub const fn table<D: Device>() -> RawDut {
    RawDut {
        size: std::mem::size_of::<RawDut>() as u32,
        abi: ABI,
        open: open::<D>,
        reset: reset::<D>,
        run: run::<D>,
        last_words: last_words::<D>,
        close: close::<D>,
    }
}

/// The one symbol of a device: `export_device!(Mine);` in a `cdylib`.
#[macro_export]
macro_rules! export_device {
    ($device:ty) => {
        #[no_mangle]
        pub extern "C" fn iommucheck_device_entry() -> *const $crate::device::RawDut {
            static TABLE: $crate::device::RawDut = $crate::device::table::<$device>();
            &TABLE
        }
    };
}
