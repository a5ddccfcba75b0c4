// SPDX-License-Identifier: MIT
//! A device under test: registers, a command queue, and a stream table of which it knows abort and
//! bypass (IHI 0070 5.2, 6, 7.1). It records no events.
//!
//!     cargo build --example bypass
//!     iommucheck conform --device target/debug/examples/libbypass.so --only "registers: *"
use iommucheck::device::{attribute, flag, kind, status, Device, Host, Info, Op};

const OAS: u32 = 44;
const SID_BITS: u32 = 6;
const CMDQS: u32 = 8;
const CR0: u32 = 0x20;
const CR0ACK: u32 = 0x24;
const GBPA: u32 = 0x44;
const IRQ_CTRL: u32 = 0x50;
const GERROR: u32 = 0x60;
const GERRORN: u32 = 0x64;
const STRTAB_BASE: u32 = 0x80;
const STRTAB_BASE_CFG: u32 = 0x88;
const CMDQ_BASE: u32 = 0x90;
const CMDQ_PROD: u32 = 0x98;
const CMDQ_CONS: u32 = 0x9c;
const SMMUEN: u32 = 1;
/// Twins that tests build, with their names in the compiler's environment: an STE with V = 0 is read; CR1
/// keeps less than is written.
const FORGETS_V: bool = option_env!("BYPASS_FORGETS_V").is_some();
const LOSES_CR1: bool = option_env!("BYPASS_LOSES_CR1").is_some();
const CMDQEN: u32 = 8;

pub struct Bypass {
    host: Host,
    reg: [u32; 64],
}

impl Bypass {
    fn get(&self, offset: u32) -> u32 {
        self.reg.get((offset & 0xffff) as usize / 4).copied().unwrap_or(0)
    }
    fn wide(&self, offset: u32) -> u64 {
        u64::from(self.get(offset)) | u64::from(self.get(offset + 4)) << 32
    }
    fn read(&self, offset: u32) -> u32 {
        match offset {
            0x00 => 1 << 1 | 2 << 2 | 1 << 4 | 2 << 21 | 1 << 24 | 1 << 26,
            0x04 => CMDQS << 21 | 7 << 16 | SID_BITS,
            0x14 => 1 << 4 | 4,
            _ => self.get(offset),
        }
    }
    fn writable(&self, offset: u32) -> u32 {
        let unless = |enabled| if self.get(CR0) & enabled != 0 { 0 } else { u32::MAX };
        match offset {
            CR0 => SMMUEN | 4 | CMDQEN,
            0x28 if LOSES_CR1 => 0x3f,
            0x28 => 0xfff,
            0x2c => 2 & unless(SMMUEN),
            IRQ_CTRL => 5,
            GERRORN => 0x105,
            0x80..=0x88 => unless(SMMUEN),
            0x90 | 0x94 | CMDQ_CONS => unless(CMDQEN),
            0xa0 | 0xa4 | 0x100a8 => unless(4),
            CMDQ_PROD | 0x100ac => u32::MAX,
            _ => 0,
        }
    }
    fn write(&mut self, offset: u32, value: u32) {
        let place = (offset & 0xffff) as usize / 4;
        if offset == GBPA && value >> 31 != 0 {
            self.reg[place] = value & 1 << 20;
        }
        let mask = self.writable(offset);
        if mask == 0 {
            return;
        }
        self.reg[place] = self.reg[place] & !mask | value & mask;
        if offset == CR0 || offset == IRQ_CTRL {
            self.reg[place + 1] = self.reg[place];
        }
        if matches!(offset, CR0 | CMDQ_PROD | GERRORN) {
            self.run_commands();
        }
    }
    fn run_commands(&mut self) {
        let word = self.wide(CMDQ_BASE);
        let entries = 1u32 << (word & 31).min(u64::from(CMDQS));
        let base = word & 0x000f_ffff_ffff_ffe0 & !(u64::from(entries) * 16 - 1);
        let indices = 2 * entries - 1;
        while self.get(CR0ACK) & CMDQEN != 0
            && (self.get(GERROR) ^ self.get(GERRORN)) & 1 == 0
            && (self.get(CMDQ_CONS) ^ self.get(CMDQ_PROD)) & indices != 0
        {
            let cons = self.get(CMDQ_CONS);
            let error = match self.host.words::<2>(base + 16 * u64::from(cons & (entries - 1))) {
                Err(_) => 2,
                Ok([low, _]) if !matches!(low & 0xff, 1..=6 | 0x10..=0x13 | 0x30 | 0x46) => 1,
                Ok(_) => 0,
            };
            if error != 0 {
                self.reg[CMDQ_CONS as usize / 4] = cons & !(0x7f << 24) | error << 24;
                self.reg[GERROR as usize / 4] ^= 1;
                return;
            }
            self.reg[CMDQ_CONS as usize / 4] = cons & 0x7f << 24 | (cons + 1) & indices;
        }
    }
    fn access(&self, sid: u32, iova: u64) -> Option<u64> {
        let bypass = (iova >> OAS == 0).then_some(iova);
        if self.get(CR0) & SMMUEN == 0 {
            return bypass.filter(|_| self.get(GBPA) >> 20 & 1 == 0);
        }
        let size = (self.get(STRTAB_BASE_CFG) & 63).min(SID_BITS);
        if sid >> size != 0 {
            return None;
        }
        let table = self.wide(STRTAB_BASE) & 0x000f_ffff_ffff_ffc0 & !((64u64 << size) - 1);
        let [ste] = self.host.words::<1>(table + 64 * u64::from(sid)).ok()?;
        bypass.filter(|_| (FORGETS_V || ste & 1 != 0) && ste >> 1 & 7 == 4)
    }
}

impl Device for Bypass {
    fn info() -> Info {
        Info {
            flags: flag::PROMPT | flag::GIVES_PA,
            sids: vec![0x10, 0x18, 0x20, 0x28],
            name: "bypass-rs".into(),
            release: "1.0".into(),
            mmio_bytes: 0x20000,
            iova_end: 0,
        }
    }
    fn open(host: Host) -> Bypass {
        Bypass { host, reg: [0; 64] }
    }
    fn reset(&mut self) {
        self.reg = [0; 64];
    }
    fn answer(&mut self, op: &mut Op) {
        op.status = status::DONE;
        match op.kind {
            kind::READ if op.bytes == 8 => {
                op.value = u64::from(self.read(op.r#where)) | u64::from(self.read(op.r#where + 4)) << 32;
            }
            kind::READ => op.value = u64::from(self.read(op.r#where)),
            kind::WRITE => {
                self.write(op.r#where, op.value as u32);
                if op.bytes == 8 {
                    self.write(op.r#where + 4, (op.value >> 32) as u32);
                }
            }
            kind::DMA if op.attributes & !attribute::WRITE == 0 => match self.access(op.r#where, op.address) {
                Some(pa) => op.pa = pa,
                None => op.status = status::TERMINATED,
            },
            _ => op.status = status::REFUSED,
        }
    }
}

iommucheck::export_device!(Bypass);
