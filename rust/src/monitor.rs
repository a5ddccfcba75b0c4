// SPDX-License-Identifier: MIT
//! `iommucheck/monitor.h`: events as lines of JSON (docs/trace-format.md) are judged one by one.
//! With the feature `monitor`, which links libiommucheck_monitor.
#![cfg(feature = "monitor")]
use std::ffi::{CStr, CString};
use std::os::raw::{c_char, c_int};

#[repr(C)]
struct Raw {
    _opaque: [u8; 0],
}

#[link(name = "iommucheck_monitor")]
extern "C" {
    fn iommucheck_monitor_open(profile: *const c_char) -> *mut Raw;
    fn iommucheck_monitor_close(monitor: *mut Raw);
    fn iommucheck_monitor_last_error(monitor: *const Raw) -> *const c_char;
    fn iommucheck_monitor_report_json(monitor: *mut Raw, line: *const c_char) -> c_int;
    fn iommucheck_monitor_finish(monitor: *mut Raw) -> c_int;
    fn iommucheck_monitor_findings(monitor: *const Raw) -> c_int;
    fn iommucheck_monitor_finding_text(monitor: *mut Raw, finding: u32, what: c_int) -> *const c_char;
}

fn text(from: *const c_char) -> String {
    if from.is_null() {
        return String::new();
    }
    unsafe { CStr::from_ptr(from) }.to_string_lossy().into_owned()
}

/// What was made of an event, or of all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Ok,
    Violation,
    Undetermined,
    GaveUp,
}

fn verdict(answer: c_int) -> Verdict {
    match answer {
        0 => Verdict::Ok,
        1 => Verdict::Violation,
        2 => Verdict::Undetermined,
        _ => Verdict::GaveUp,
    }
}

/// Why an event, or a profile, was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub String);

pub struct Monitor {
    raw: *mut Raw,
}

impl Monitor {
    /// `profile`: the header of a trace.
    pub fn open(profile: &str) -> Result<Monitor, Refused> {
        let profile = CString::new(profile).map_err(|error| Refused(error.to_string()))?;
        let raw = unsafe { iommucheck_monitor_open(profile.as_ptr()) };
        if raw.is_null() {
            return Err(Refused(text(unsafe { iommucheck_monitor_last_error(std::ptr::null()) })));
        }
        Ok(Monitor { raw })
    }
    fn answer(&self, answer: c_int) -> Result<Verdict, Refused> {
        if answer < 0 {
            return Err(Refused(text(unsafe { iommucheck_monitor_last_error(self.raw) })));
        }
        Ok(verdict(answer))
    }
    pub fn report(&mut self, line: &str) -> Result<Verdict, Refused> {
        let line = CString::new(line).map_err(|error| Refused(error.to_string()))?;
        let answer = unsafe { iommucheck_monitor_report_json(self.raw, line.as_ptr()) };
        self.answer(answer)
    }
    /// No event comes any more; the verdict of all.
    pub fn finish(&mut self) -> Result<Verdict, Refused> {
        let answer = unsafe { iommucheck_monitor_finish(self.raw) };
        self.answer(answer)
    }
    /// Each finding with its evidence.
    pub fn findings(&mut self) -> Vec<String> {
        let count = unsafe { iommucheck_monitor_findings(self.raw) }.max(0);
        (0..count as u32).map(|i| self.finding(i, 6)).collect()
    }
    /// The rules that are broken.
    pub fn rules(&mut self) -> Vec<String> {
        let count = unsafe { iommucheck_monitor_findings(self.raw) }.max(0);
        (0..count as u32).map(|i| self.finding(i, 0)).collect()
    }
    fn finding(&mut self, index: u32, what: c_int) -> String {
        text(unsafe { iommucheck_monitor_finding_text(self.raw, index, what) })
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        unsafe { iommucheck_monitor_close(self.raw) };
    }
}
