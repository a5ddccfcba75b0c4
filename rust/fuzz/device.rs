// SPDX-License-Identifier: MIT
//! A libFuzzer target: bytes become writes to a model's registers and memory, and accesses of its
//! engines; the monitor judges every answer by the specification, and a finding ends the process
//! with its rule. For a model of your own put it in the place of `Bypass`. fuzz/build.sh builds it.
#![no_main]
use iommucheck::device::{attribute, kind, status, Device, Host, Op, RawHost, ABI};
use iommucheck::monitor::{Monitor, Refused, Verdict};
use std::os::raw::c_void;

#[path = "../examples/bypass.rs"]
mod bypass;
use bypass::Bypass as Model;

const MEMORY_PA: u64 = 0x4000_0000;
const WORDS: usize = 0x10000 / 8;

/// The system: 64 KiB of memory, in which the stream table is at its beginning and the command
/// queue behind it.
struct System {
    memory: Vec<u64>,
}
fn place(pa: u64, bytes: u64) -> Option<usize> {
    let at = pa.checked_sub(MEMORY_PA)?;
    (bytes <= 8 * WORDS as u64 && at <= 8 * WORDS as u64 - bytes).then(|| at as usize)
}
extern "C" fn read(ctx: *mut c_void, pa: u64, to: *mut c_void, bytes: u64) -> i32 {
    let memory = unsafe { &(*ctx.cast::<System>()).memory };
    match place(pa, bytes) {
        None => 1,
        Some(at) => {
            let from = memory.as_ptr().cast::<u8>();
            unsafe { std::ptr::copy_nonoverlapping(from.add(at), to.cast(), bytes as usize) };
            0
        }
    }
}
extern "C" fn write(ctx: *mut c_void, pa: u64, from: *const c_void, bytes: u64) -> i32 {
    let memory = unsafe { &mut (*ctx.cast::<System>()).memory };
    match place(pa, bytes) {
        None => 1,
        Some(at) => {
            let to = memory.as_mut_ptr().cast::<u8>();
            unsafe { std::ptr::copy_nonoverlapping(from.cast(), to.add(at), bytes as usize) };
            0
        }
    }
}
extern "C" fn interrupt(_: *mut c_void, _: u32, _: u32) {}

/// Where the command queue is, and how many commands it has.
const QUEUE: u64 = 0x8000;
const COMMANDS: u32 = 16;
const CFGI_STE: u64 = 0x03;
const CFGI_ALL: [u64; 2] = [0x04, 31];
const TLBI_NSNH_ALL: [u64; 2] = [0x30, 0];
const SYNC: [u64; 2] = [0x46, 0];

/// The model, a driver that is right, and who judges it.
struct Bench {
    model: Model,
    prod: u32,
    monitor: Monitor,
    system: *mut System,
}

impl Bench {
    /// What the monitor says of an event, which is written for it.
    fn judged(&mut self, event: &str) {
        let verdict = self.monitor.report(event);
        self.expect_ok(verdict, event);
    }
    fn expect_ok(&mut self, verdict: Result<Verdict, Refused>, event: &str) {
        if std::env::var_os("IOMMUCHECK_SHOW").is_some() {
            eprintln!("{:?} {}", verdict, event);
        }
        let verdict = verdict.unwrap_or_else(|refused| panic!("{}: {}", event, refused.0));
        if verdict == Verdict::Violation {
            let findings = self.monitor.findings().join("\n");
            let rules = self.monitor.rules().join(" ");
            eprintln!("{}", findings);
            panic!("VIOLATION {}", rules);
        }
    }
    fn answer(&mut self, mut op: Op) -> Op {
        self.model.answer(&mut op);
        op
    }
    fn write(&mut self, offset: u32, value: u32) {
        self.judged(&format!(
            r#"{{"event":"MmioWrite","agent":"cpu0","offset":"{:#x}","size":"0x4","value":"{:#x}","ordered":true}}"#,
            offset, value
        ));
        self.answer(Op { kind: kind::WRITE, bytes: 4, r#where: offset, value: u64::from(value), ..Op::default() });
    }
    fn read(&mut self, offset: u32) -> u32 {
        let value = self.answer(Op { kind: kind::READ, bytes: 4, r#where: offset, ..Op::default() }).value;
        self.judged(&format!(
            r#"{{"event":"MmioRead","agent":"cpu0","offset":"{:#x}","size":"0x4","value":"{:#x}","ordered":true}}"#,
            offset, value
        ));
        value as u32
    }
    fn store(&mut self, at: u64, value: u64) {
        self.judged(&format!(
            r#"{{"event":"Store","agent":"cpu0","pa":"{:#x}","size":"0x8","value":"{:#x}"}}"#,
            MEMORY_PA + at,
            value
        ));
        let memory = unsafe { &mut (*self.system).memory };
        memory[at as usize / 8] = value;
    }
    fn access(&mut self, sid: u32, iova: u64, writes: bool) {
        let attributes = if writes { attribute::WRITE } else { 0 };
        let done =
            self.answer(Op { kind: kind::DMA, bytes: 4, attributes, r#where: sid, address: iova, ..Op::default() });
        let went = if done.status == status::DONE {
            format!(r#""result":"ok","pa":"{:#x}""#, done.pa)
        } else {
            r#""result":"abort""#.into()
        };
        let direction = if writes { "write" } else { "read" };
        self.judged(&format!(r#"{{"event":"Dma","agent":"device0","sid":"{:#x}","ssid":"none","iova":"{:#x}","direction":"{}","privileged":false,"length":"0x4","kind":"untranslated",{}}}"#, sid, iova, direction, went));
    }
    /// Commands, a CMD_SYNC behind them, and until it is consumed (a working SMMU is that at once).
    fn commands(&mut self, commands: &[[u64; 2]]) {
        for command in commands.iter().chain([&SYNC]) {
            let at = QUEUE + 16 * u64::from(self.prod % COMMANDS);
            self.store(at, command[0]);
            self.store(at + 8, command[1]);
            self.prod = (self.prod + 1) % (2 * COMMANDS);
        }
        self.write(0x98, self.prod);
        for _ in 0..8 {
            if self.read(0x9c) & (2 * COMMANDS - 1) == self.prod {
                return;
            }
        }
    }
    /// Stream table, command queue, SMMUEN, as a driver does it.
    fn bring_up(&mut self) {
        self.judged(&format!(
            r#"{{"event":"Fill","agent":"cpu0","pa":"{:#x}","words":"0x200","value":"0x0"}}"#,
            MEMORY_PA
        ));
        for (offset, value) in [
            (0x80, MEMORY_PA as u32),
            (0x84, 0),
            (0x88, 6),
            (0x90, MEMORY_PA as u32 + 0x8000 | 4),
            (0x94, 0),
            (0x98, 0),
            (0x9c, 0),
            (0x2c, 0),
            (0x20, 8),
        ] {
            self.write(offset, value);
        }
        self.read(0x24);
        self.commands(&[CFGI_ALL, TLBI_NSNH_ALL]);
        self.write(0x20, 9);
        self.read(0x24);
    }
}

const REGISTERS: [u32; 8] = [0x20, 0x24, 0x28, 0x44, 0x50, 0x60, 0x88, 0x9c];

fn step(bench: &mut Bench, bytes: [u8; 8]) {
    let [what, a, b, c, ..] = bytes;
    let sid = 0x10 + 8 * u32::from(a & 3);
    match what % 5 {
        // V, and Config: abort or bypass.
        0 => bench.store(64 * u64::from(sid), u64::from(b & 1) | u64::from(c & 1) << 3),
        1 => bench.access(sid, u64::from_le_bytes(bytes) >> 16 & !3, b & 1 != 0),
        2 => {
            bench.read(REGISTERS[usize::from(a) % 8]);
        }
        3 => bench.commands(&[[CFGI_STE | u64::from(sid) << 32, 1]]),
        _ => bench.access(sid, u64::from(b) << 12, c & 1 != 0),
    }
}

/// What the monitor is told: the ID registers as the model has them, memory, and who is there.
fn profile(model: &mut Model) -> String {
    let mut id = |offset: u32| {
        let mut op = Op { kind: kind::READ, bytes: 4, r#where: offset, ..Op::default() };
        model.answer(&mut op);
        op.value
    };
    let registers: Vec<String> = (0..6).map(|i| format!(r#""IDR{}":"{:#x}""#, i, id(4 * i))).collect();
    let sids: Vec<String> = Model::info().sids.iter().map(|sid| format!(r#""{:#x}""#, sid)).collect();
    format!(
        r#"{{"iommucheck-trace":1,"versions":{{"bench":"fuzz"}},"profile":{{"device-under-test":true,"every-pa":true}},
        "id_registers":{{{}}},"ram":[{{"base":"{:#x}","length":"{:#x}"}}],"devices":[{{"device":"0x0","sids":[{}]}}]}}"#,
        registers.join(","),
        MEMORY_PA,
        8 * WORDS,
        sids.join(",")
    )
}

fn run(bytes: &[u8]) {
    let system = Box::into_raw(Box::new(System { memory: vec![0; WORDS] }));
    let raw = RawHost {
        size: std::mem::size_of::<RawHost>() as u32,
        abi: ABI,
        ctx: system.cast(),
        read,
        write,
        interrupt,
        memory_pa: MEMORY_PA,
        memory_bytes: 8 * WORDS as u64,
        seed: 1,
        atc_invalidate: None,
        page_response: None,
        install: None,
        invalidate: None,
    };
    let mut model = Model::open(unsafe { Host::new(&raw) });
    model.reset();
    let profile = profile(&mut model);
    let monitor = Monitor::open(&profile).unwrap_or_else(|refused| panic!("{}", refused.0));
    let mut bench = Bench { model, prod: 0, monitor, system };
    bench.bring_up();
    for bytes in bytes.chunks_exact(8) {
        step(&mut bench, bytes.try_into().unwrap());
    }
    let verdict = bench.monitor.finish();
    bench.expect_ok(verdict, "the end");
    drop(bench);
    drop(unsafe { Box::from_raw(system) });
}

/// # Safety
/// As libFuzzer calls it.
#[no_mangle]
pub unsafe extern "C" fn LLVMFuzzerTestOneInput(data: *const u8, size: usize) -> i32 {
    let bytes = if size == 0 { &[][..] } else { std::slice::from_raw_parts(data, size) };
    if std::panic::catch_unwind(|| run(bytes)).is_err() {
        std::process::abort();
    }
    0
}
