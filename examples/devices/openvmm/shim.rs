// SPDX-License-Identifier: MIT
//! OpenVMM's SMMUv3 as a device under test (include/iommucheck/device.h): registers are written and
//! read, and addresses translated, as a PCI device behind it would have it.
use chipset_device::io::IoResult;
use chipset_device::mmio::MmioIntercept;
use guestmem::{Backing, GuestMemory};
use iommu_common::IommuTranslator;
use smmu::{SmmuConfig, SmmuDevice, SmmuOasPolicy, SmmuTranslator};
use std::ffi::{c_char, c_void, CString};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;
use vmcore::device_state::ChangeDeviceState;
use vmcore::line_interrupt::LineInterrupt;

// ---- include/iommucheck/device.h ------------------------------------------------------------------

const ABI: u32 = 1;
const READ: u8 = 1;
const WRITE: u8 = 2;
const DMA: u8 = 3;
const IS_WRITE: u8 = 1;
const DONE: u8 = 1;
const TERMINATED: u8 = 2;
const REFUSED: u8 = 4;
const PROMPT: u32 = 1;
const GIVES_PA: u32 = 2;
const IRQ_EVENT_QUEUE: u32 = 0;
const IRQ_GLOBAL_ERROR: u32 = 2;

#[repr(C)]
pub struct Op {
    kind: u8,
    bytes: u8,
    attributes: u8,
    status: u8,
    at: u32,
    ssid: u32,
    reserved: u32,
    address: u64,
    value: u64,
    pa: u64,
}

/// The members of its first version: what came later is not needed here.
#[repr(C)]
pub struct Host {
    size: u32,
    abi: u32,
    ctx: *mut c_void,
    read: extern "C" fn(*mut c_void, u64, *mut c_void, u64) -> i32,
    write: extern "C" fn(*mut c_void, u64, *const c_void, u64) -> i32,
    interrupt: extern "C" fn(*mut c_void, u32, u32),
}

#[repr(C)]
pub struct Info {
    size: u32,
    abi: u32,
    flags: u32,
    sid_count: u32,
    sids: [u32; 16],
    name: [u8; 32],
    release: [u8; 32],
    mmio_bytes: u64,
    iova_end: u64,
}

#[repr(C)]
pub struct Device {
    size: u32,
    abi: u32,
    open: extern "C" fn(*const Host, *mut Info) -> *mut c_void,
    reset: extern "C" fn(*mut c_void) -> i32,
    run: extern "C" fn(*mut c_void, *mut Op, u64) -> i64,
    last_words: extern "C" fn(*mut c_void) -> *const c_char,
    close: extern "C" fn(*mut c_void),
}

// ---- the model and its world ----------------------------------------------------------------------

struct Tester(*const Host);
// SAFETY: the tester and the model are one thread.
unsafe impl Send for Tester {}
unsafe impl Sync for Tester {}

impl Tester {
    fn host(&self) -> &Host {
        // SAFETY: valid until close.
        unsafe { &*self.0 }
    }
    fn line(self: &Arc<Self>, line: u32) -> LineInterrupt {
        let tester = self.clone();
        LineInterrupt::new(move |high| {
            let host = tester.host();
            (host.interrupt)(host.ctx, line, high as u32);
        })
    }
}

impl Backing for Tester {
    fn read(&self, gpa: u64, to: &mut [u8]) -> bool {
        let host = self.host();
        (host.read)(host.ctx, gpa, to.as_mut_ptr().cast(), to.len() as u64) == 0
    }
    fn write(&self, gpa: u64, from: &[u8]) -> bool {
        let host = self.host();
        (host.write)(host.ctx, gpa, from.as_ptr().cast(), from.len() as u64) == 0
    }
}

struct Model {
    tester: Arc<Tester>,
    smmu: SmmuDevice,
    translator: SmmuTranslator,
    words: CString,
}

fn new_smmu(tester: &Arc<Tester>) -> SmmuDevice {
    let config = SmmuConfig {
        sidsize: 16,
        oas_policy: SmmuOasPolicy::Fixed(40),
        accel: false,
    };
    let mut smmu = SmmuDevice::new(
        0,
        GuestMemory::new(tester.clone()),
        &config,
        Some(tester.line(IRQ_EVENT_QUEUE)),
        Some(tester.line(IRQ_GLOBAL_ERROR)),
    );
    smmu.start();
    smmu
}

impl Model {
    fn register(&mut self, op: &mut Op) {
        let mut bytes = op.value.to_le_bytes();
        let part = &mut bytes[..op.bytes as usize];
        let result = if op.kind == READ {
            part.fill(0);
            self.smmu.mmio_read(op.at as u64, part)
        } else {
            self.smmu.mmio_write(op.at as u64, part)
        };
        op.status = if matches!(result, IoResult::Ok) { DONE } else { REFUSED };
        if op.kind == READ {
            let mut whole = [0; 8];
            whole[..op.bytes as usize].copy_from_slice(&bytes[..op.bytes as usize]);
            op.value = u64::from_le_bytes(whole);
        }
    }

    fn access(&self, op: &mut Op) {
        op.status = TERMINATED;
        let write = op.attributes & IS_WRITE != 0;
        let reached = self.translator.translate(op.at as u16, op.address, write, |pa| pa);
        match reached {
            Ok(pa) if pa < 1 << 52 => {
                op.status = DONE;
                op.pa = pa;
            }
            _ => {} // no memory is there
        }
    }

    fn answer(&mut self, op: &mut Op) {
        match op.kind {
            READ | WRITE => self.register(op),
            DMA => self.access(op),
            _ => op.status = REFUSED,
        }
    }
}

fn words_of(panic: &(dyn std::any::Any + Send)) -> CString {
    let text = panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string()))
        .unwrap_or_default();
    CString::new(text.replace('\0', " ")).unwrap_or_default()
}

fn copy(to: &mut [u8; 32], text: &str) {
    to[..text.len()].copy_from_slice(text.as_bytes());
}

extern "C" fn open(host: *const Host, info: *mut Info) -> *mut c_void {
    // SAFETY: both are the tester's, and valid.
    let info = unsafe { &mut *info };
    info.flags = PROMPT | GIVES_PA;
    info.sid_count = 2;
    info.sids[0] = 8;
    info.sids[1] = 16;
    copy(&mut info.name, "openvmm");
    copy(&mut info.release, "2026.08");
    info.mmio_bytes = 0x20000;
    let tester = Arc::new(Tester(host));
    let smmu = new_smmu(&tester);
    let translator = smmu.shared_state().translator(0);
    let model = Model { tester, smmu, translator, words: CString::default() };
    Box::into_raw(Box::new(model)).cast()
}

fn model<'a>(it: *mut c_void) -> &'a mut Model {
    // SAFETY: what open() returned, and nobody else has it.
    unsafe { &mut *it.cast::<Model>() }
}

/// A new one: as after power on, and no state of the old one is left.
extern "C" fn reset(it: *mut c_void) -> i32 {
    let model = model(it);
    model.smmu = new_smmu(&model.tester);
    model.translator = model.smmu.shared_state().translator(0);
    0
}

extern "C" fn run(it: *mut c_void, ops: *mut Op, count: u64) -> i64 {
    let model = model(it);
    // SAFETY: so many are there.
    let ops = unsafe { std::slice::from_raw_parts_mut(ops, count as usize) };
    for (i, op) in ops.iter_mut().enumerate() {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| model.answer(op))) {
            model.words = words_of(panic.as_ref());
            return i as i64;
        }
    }
    count as i64
}

extern "C" fn last_words(it: *mut c_void) -> *const c_char {
    model(it).words.as_ptr()
}

extern "C" fn close(it: *mut c_void) {
    // SAFETY: what open() returned.
    drop(unsafe { Box::from_raw(it.cast::<Model>()) });
}

#[unsafe(no_mangle)]
pub extern "C" fn iommucheck_device_entry() -> *const Device {
    static DEVICE: Device = Device {
        size: size_of::<Device>() as u32,
        abi: ABI,
        open,
        reset,
        run,
        last_words,
        close,
    };
    &DEVICE
}
