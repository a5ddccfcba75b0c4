// SPDX-License-Identifier: MIT
//! The doors of iommucheck for Rust, without dependencies: [`device`] is `iommucheck/device.h` (a
//! model of an SMMUv3 becomes a device under test), [`case`] runs a case that `iommucheck export
//! --as rust` wrote, and [`monitor`] is `iommucheck/monitor.h` (events in, findings out).
pub mod case;
pub mod device;
pub mod monitor;
