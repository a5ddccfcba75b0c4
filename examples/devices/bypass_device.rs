// SPDX-License-Identifier: MIT
//! A device under test in Rust without crates, over frames (docs/conform.md, "Frames"):
//!
//!     rustc -O --edition 2021 -o bypass_device examples/devices/bypass_device.rs
//!     iommucheck conform --device exec:./bypass_device --only "registers: *"
//!
//! Registers, a command queue, an event queue, and a linear stream table of which it knows abort
//! and bypass, as bypass_device.py does. IHI 0070 6, 7.1, 7.3, 5.2.
use std::io::{Read, Write};

const OAS: u32 = 44;
const SID_BITS: u32 = 6;
const CMDQS: u32 = 8;
const EVENTQS: u32 = 7;

const CR0: u32 = 0x20;
const CR0ACK: u32 = 0x24;
const CR1: u32 = 0x28;
const CR2: u32 = 0x2c;
const GBPA: u32 = 0x44;
const IRQ_CTRL: u32 = 0x50;
const IRQ_CTRLACK: u32 = 0x54;
const GERROR: u32 = 0x60;
const GERRORN: u32 = 0x64;
const STRTAB_BASE: u32 = 0x80;
const STRTAB_BASE_CFG: u32 = 0x88;
const CMDQ_BASE: u32 = 0x90;
const CMDQ_PROD: u32 = 0x98;
const CMDQ_CONS: u32 = 0x9c;
const EVENTQ_BASE: u32 = 0xa0;
const EVENTQ_PROD: u32 = 0xa8;
const EVENTQ_CONS: u32 = 0xac;
const PAGE_1: u32 = 0x10000;
const SMMUEN: u32 = 1;
const EVENTQEN: u32 = 4;
const CMDQEN: u32 = 8;

fn bits(word: u64, high: u32, low: u32) -> u64 {
    word >> low & ((1 << (high - low + 1)) - 1)
}

// ---- frames -------------------------------------------------------------------------------------

const HELLO: u32 = 1;
const RESET: u32 = 2;
const RUN: u32 = 3;
const INFO: u32 = 129;
const READY: u32 = 130;
const DONE: u32 = 131;
const READ: u32 = 132;
const WRITE: u32 = 133;
const LAST_WORDS: u32 = 135;

fn send(kind: u32, payload: &[u8]) {
    let mut frame = (payload.len() as u32).to_le_bytes().to_vec();
    frame.extend(kind.to_le_bytes());
    frame.extend(payload);
    let mut out = std::io::stdout().lock();
    if out.write_all(&frame).and_then(|_| out.flush()).is_err() {
        std::process::exit(0);
    }
}

fn receive() -> (u32, Vec<u8>) {
    let mut head = [0; 8];
    let mut input = std::io::stdin().lock();
    if input.read_exact(&mut head).is_err() {
        std::process::exit(0); // the tester is done
    }
    let mut payload = vec![0; u32_at(&head, 0) as usize];
    if input.read_exact(&mut payload).is_err() {
        std::process::exit(0);
    }
    (u32_at(&head, 4), payload)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}
fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

/// None is an external abort.
fn memory_read<const N: usize>(pa: u64) -> Option<[u64; N]> {
    let mut request = pa.to_le_bytes().to_vec();
    request.extend((8 * N as u64).to_le_bytes());
    send(READ, &request);
    let (_, answer) = receive();
    (u32_at(&answer, 0) == 0).then(|| std::array::from_fn(|i| u64_at(&answer, 8 + 8 * i)))
}

fn memory_write(pa: u64, words: &[u64]) -> bool {
    let mut request = pa.to_le_bytes().to_vec();
    request.extend((8 * words.len() as u64).to_le_bytes());
    words.iter().for_each(|word| request.extend(word.to_le_bytes()));
    send(WRITE, &request);
    u32_at(&receive().1, 0) == 0
}

// ---- the SMMU -----------------------------------------------------------------------------------

struct Smmu {
    reg: [u32; 64], // by offset / 4, both pages
}

impl Smmu {
    fn get(&self, offset: u32) -> u32 {
        self.reg[offset as usize / 4]
    }
    fn at(&mut self, offset: u32) -> &mut u32 {
        &mut self.reg[offset as usize / 4]
    }
    fn wide(&self, offset: u32) -> u64 {
        u64::from(self.get(offset)) | u64::from(self.get(offset + 4)) << 32
    }

    fn read(&self, offset: u32) -> u32 {
        match offset {
            0x00 => 1 << 1 | 2 << 2 | 1 << 4 | 2 << 21 | 1 << 24 | 1 << 26,
            0x04 => CMDQS << 21 | EVENTQS << 16 | SID_BITS,
            0x14 => 1 << 4 | 4,
            _ => self.reg.get((offset & 0xffff) as usize / 4).copied().unwrap_or(0),
        }
    }

    fn writable(&self, offset: u32) -> u32 {
        let unless = |enabled| if self.get(CR0) & enabled != 0 { 0 } else { u32::MAX };
        const PROD: u32 = PAGE_1 + EVENTQ_PROD;
        const CONS: u32 = PAGE_1 + EVENTQ_CONS;
        match offset {
            CR0 => SMMUEN | EVENTQEN | CMDQEN,
            CR1 => 0xfff,
            CR2 => 2 & unless(SMMUEN),
            IRQ_CTRL => 5,
            GERRORN => 0x105,
            STRTAB_BASE | 0x84 | STRTAB_BASE_CFG => unless(SMMUEN),
            CMDQ_BASE | 0x94 | CMDQ_CONS => unless(CMDQEN),
            EVENTQ_BASE | 0xa4 | PROD => unless(EVENTQEN),
            CMDQ_PROD | CONS => u32::MAX,
            _ => 0,
        }
    }

    fn write(&mut self, offset: u32, value: u32) {
        if offset == GBPA && value >> 31 != 0 {
            *self.at(GBPA) = value & 1 << 20;
        }
        let mask = self.writable(offset);
        if mask == 0 {
            return;
        }
        let place = self.at(offset & 0xffff);
        *place = *place & !mask | value & mask;
        let stored = *place;
        match offset {
            CR0 => *self.at(CR0ACK) = stored,
            IRQ_CTRL => *self.at(IRQ_CTRLACK) = stored,
            _ => {}
        }
        if matches!(offset, CR0 | CMDQ_PROD | GERRORN) {
            self.run_commands();
        }
    }

    /// Its base and how many entries it has.
    fn queue(&self, base: u32, most: u32, entry: u64) -> (u64, u32) {
        let word = self.wide(base);
        let entries = 1u32 << bits(word, 4, 0).min(u64::from(most));
        (bits(word, 51, 5) << 5 & !(u64::from(entries) * entry - 1), entries)
    }

    fn run_commands(&mut self) {
        let (base, entries) = self.queue(CMDQ_BASE, CMDQS, 16);
        let indices = 2 * entries - 1;
        while self.get(CR0) & CMDQEN != 0
            && (self.get(GERROR) ^ self.get(GERRORN)) & 1 == 0
            && (self.get(CMDQ_CONS) ^ self.get(CMDQ_PROD)) & indices != 0
        {
            let cons = self.get(CMDQ_CONS);
            let error = match memory_read::<2>(base + 16 * u64::from(cons & (entries - 1))) {
                None => 2,
                Some(command) if !legal(command[0]) => 1,
                Some(_) => 0,
            };
            if error != 0 {
                *self.at(CMDQ_CONS) = cons & !(0x7f << 24) | error << 24;
                *self.at(GERROR) ^= 1;
                return;
            }
            *self.at(CMDQ_CONS) = cons & 0x7f << 24 | (cons + 1) & indices;
        }
    }

    fn record(&mut self, words: [u64; 4]) {
        let (base, entries) = self.queue(EVENTQ_BASE, EVENTQS, 32);
        let (prod, cons) = (self.get(EVENTQ_PROD), self.get(EVENTQ_CONS));
        if self.get(CR0) & EVENTQEN == 0 {
            return;
        }
        if (prod ^ cons) & (2 * entries - 1) == entries {
            if (prod ^ cons) >> 31 == 0 {
                *self.at(EVENTQ_PROD) ^= 1 << 31; // full: it is lost, which is said once
            }
        } else if memory_write(base + 32 * u64::from(prod & (entries - 1)), &words) {
            *self.at(EVENTQ_PROD) = prod & 1 << 31 | (prod + 1) & (2 * entries - 1);
        } else if (self.get(GERROR) ^ self.get(GERRORN)) & 4 == 0 {
            *self.at(GERROR) ^= 4;
        }
    }

    /// Where it goes.
    fn access(&mut self, sid: u32, iova: u64, write: bool) -> Option<u64> {
        let named = u64::from(sid) << 32;
        if self.get(CR0) & SMMUEN == 0 {
            return (self.get(GBPA) >> 20 & 1 == 0 && iova >> OAS == 0).then_some(iova);
        }
        let size = (self.get(STRTAB_BASE_CFG) & 63).min(SID_BITS);
        if sid >> size != 0 {
            if self.get(CR2) & 2 != 0 {
                self.record([2 | named, 0, 0, 0]); // C_BAD_STREAMID
            }
            return None;
        }
        let table = bits(self.wide(STRTAB_BASE), 51, 6) << 6 & !((64 << size) - 1);
        let place = table + 64 * u64::from(sid);
        let Some(ste) = memory_read::<8>(place) else {
            self.record([3 | named, 0, 0, place]); // F_STE_FETCH
            return None;
        };
        let config = bits(ste[0], 3, 1);
        if ste[0] & 1 == 0 || config > 4 {
            self.record([4 | named, 0, 0, 0]); // C_BAD_STE: V = 0, or a stage
        } else if config == 4 && iova >> OAS != 0 {
            let read = if write { 0 } else { 1 << 35 };
            self.record([0x11 | named, read | 2 << 40, iova, 0]); // F_ADDR_SIZE
        } else if config == 4 {
            return Some(iova);
        }
        None
    }
}

fn legal(low: u64) -> bool {
    match low & 0xff {
        1..=6 => low >> 10 & 1 == 0, // PREFETCH, CFGI: SSec
        0x10..=0x13 | 0x30 => true,  // TLBI
        0x46 => bits(low, 13, 12) != 3,
        _ => false,
    }
}

fn answer(smmu: &mut Smmu, op: &mut [u8]) {
    let (kind, bytes, attributes, at) = (op[0], op[1], op[2], u32_at(op, 4));
    let (address, value) = (u64_at(op, 16), u64_at(op, 24));
    op[3] = 1; // done
    match kind {
        1 => {
            let high = if bytes == 8 { smmu.read(at + 4) } else { 0 };
            let read = u64::from(smmu.read(at)) | u64::from(high) << 32;
            op[24..32].copy_from_slice(&read.to_le_bytes());
        }
        2 => {
            smmu.write(at, value as u32);
            if bytes == 8 {
                smmu.write(at + 4, (value >> 32) as u32);
            }
        }
        3 => match smmu.access(at, address, attributes & 1 != 0) {
            Some(pa) => op[32..40].copy_from_slice(&pa.to_le_bytes()),
            None => op[3] = 2, // terminated
        },
        _ => op[3] = 4, // refused
    }
}

fn main() {
    std::panic::set_hook(Box::new(|panic| send(LAST_WORDS, panic.to_string().as_bytes())));
    let mut smmu = Smmu { reg: [0; 64] };
    loop {
        match receive() {
            (HELLO, _) => {
                let mut info = vec![0; 160];
                let mut put = |at: usize, word: u32| {
                    info[at..at + 4].copy_from_slice(&word.to_le_bytes());
                };
                put(0, 160);
                put(4, 1); // abi
                put(8, 1 | 2); // PROMPT, GIVES_PA
                put(12, 4);
                (0..4).for_each(|i| put(16 + 4 * i, 0x10 + 8 * i as u32));
                put(144, 0x20000); // mmio_bytes
                info[80..89].copy_from_slice(b"bypass-rs");
                info[112..115].copy_from_slice(b"1.0");
                send(INFO, &info);
            }
            (RESET, _) => {
                smmu.reg = [0; 64];
                send(READY, &[]);
            }
            (RUN, mut ops) => {
                ops.chunks_exact_mut(40).for_each(|op| answer(&mut smmu, op));
                send(DONE, &ops);
            }
            (kind, _) => panic!("a frame of type {kind}"),
        }
    }
}
