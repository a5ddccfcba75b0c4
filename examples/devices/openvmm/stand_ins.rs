// SPDX-License-Identifier: MIT
//! Stand-ins for the crates that OpenVMM's SMMU uses, all in one: each name of a crate is given to
//! the compiler as a name of this one (build.sh). What the model does not use is not here.
pub use macros::{
    bitfield, Error, FromBytes, Immutable, Inspect, InspectMut, IntoBytes, KnownLayout,
};
use std::sync::{Arc, PoisonError};

// ---- zerocopy -----------------------------------------------------------------------------------

/// Of types without padding, as the model's structures are (`repr(C)` or one word).
pub trait IntoBytes {
    fn as_bytes(&self) -> &[u8] {
        let bytes = size_of_val(self);
        // SAFETY: `self` is so many bytes, each of which is initialised.
        unsafe { std::slice::from_raw_parts(std::ptr::from_ref(self).cast::<u8>(), bytes) }
    }
}

/// Of types that may have any content.
pub trait FromBytes: Sized {
    fn read_from_bytes(bytes: &[u8]) -> Result<Self, WrongSize> {
        if bytes.len() != size_of::<Self>() {
            return Err(WrongSize);
        }
        // SAFETY: there are enough bytes, and any content is one of the type.
        Ok(unsafe { bytes.as_ptr().cast::<Self>().read_unaligned() })
    }
}
#[derive(Debug)]
pub struct WrongSize;

macro_rules! plain {
    ($($name:ty)*) => {$(impl IntoBytes for $name {} impl FromBytes for $name {})*};
}
plain! { u8 u16 u32 u64 }
impl<T: IntoBytes, const N: usize> IntoBytes for [T; N] {}
impl<T: FromBytes, const N: usize> FromBytes for [T; N] {}

// ---- guestmem -----------------------------------------------------------------------------------

/// Memory that belongs to somebody else, and that aborts where there is none.
pub trait Backing: Send + Sync {
    fn read(&self, gpa: u64, to: &mut [u8]) -> bool;
    fn write(&self, gpa: u64, from: &[u8]) -> bool;
}

#[derive(Clone)]
pub struct GuestMemory(Arc<dyn Backing>);

#[derive(Debug)]
pub struct GuestMemoryError;
impl std::fmt::Display for GuestMemoryError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an external abort")
    }
}
impl std::error::Error for GuestMemoryError {}

impl GuestMemory {
    pub fn new(backing: Arc<dyn Backing>) -> Self {
        Self(backing)
    }
    pub fn read_plain<T: FromBytes>(&self, gpa: u64) -> Result<T, GuestMemoryError> {
        let mut bytes = vec![0; size_of::<T>()];
        if !self.0.read(gpa, &mut bytes) {
            return Err(GuestMemoryError);
        }
        T::read_from_bytes(&bytes).map_err(|_| GuestMemoryError)
    }
    pub fn write_at(&self, gpa: u64, from: &[u8]) -> Result<(), GuestMemoryError> {
        if self.0.write(gpa, from) {
            Ok(())
        } else {
            Err(GuestMemoryError)
        }
    }
}

// ---- parking_lot --------------------------------------------------------------------------------

pub type MutexGuard<'a, T> = std::sync::MutexGuard<'a, T>;

#[derive(Debug, Default)]
pub struct Mutex<T>(std::sync::Mutex<T>);
impl<T> Mutex<T> {
    pub fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
pub struct RwLock<T>(std::sync::RwLock<T>);
impl<T> RwLock<T> {
    pub fn new(value: T) -> Self {
        Self(std::sync::RwLock::new(value))
    }
    pub fn read(&self) -> std::sync::RwLockReadGuard<'_, T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
    pub fn write(&self) -> std::sync::RwLockWriteGuard<'_, T> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

// ---- vmcore, pci_core, pal_event, chipset_device, iommu_common, mesh ------------------------------

pub struct Event;

pub mod line_interrupt {
    use std::sync::Arc;

    /// A wire: who listens is told each level.
    #[derive(Clone)]
    pub struct LineInterrupt(Arc<dyn Fn(bool) + Send + Sync>);
    impl LineInterrupt {
        pub fn new(listener: impl Fn(bool) + Send + Sync + 'static) -> Self {
            Self(Arc::new(listener))
        }
        pub fn set_level(&self, high: bool) {
            (self.0)(high);
        }
    }
}

pub mod irqfd {
    pub trait IrqFd: Send + Sync {
        fn new_irqfd_route(&self) -> crate::Result<Box<dyn IrqFdRoute>>;
    }
    pub trait IrqFdRoute: Send + Sync {
        fn event(&self) -> &crate::Event;
        fn enable(&self, address: u64, data: u32, devid: Option<u32>);
        fn disable(&self);
    }
}

pub mod msi {
    pub trait SignalMsi: Send + Sync {
        fn signal_msi(&self, devid: Option<u32>, address: u64, data: u32);
    }
}

pub mod device_state {
    pub trait ChangeDeviceState {
        fn start(&mut self);
        fn stop(&mut self) -> impl Send + Future<Output = ()>;
        fn reset(&mut self) -> impl Send + Future<Output = ()>;
    }
}

pub mod save_restore {
    pub use macros::SavedStateRoot;
    pub trait SaveRestore {
        type SavedState;
        fn save(&mut self) -> Result<Self::SavedState, SaveError>;
        fn restore(&mut self, state: Self::SavedState) -> Result<(), RestoreError>;
    }
    #[derive(Debug)]
    pub enum SaveError {
        Other(crate::Error),
    }
    #[derive(Debug)]
    pub enum RestoreError {
        InvalidSavedState(crate::Error),
        Other(crate::Error),
    }
}

pub mod payload {
    pub use macros::Protobuf;
}

pub mod io {
    #[derive(Copy, Clone, Debug)]
    pub enum IoError {
        InvalidRegister,
        InvalidAccessSize,
        UnalignedAccess,
        NoResponse,
    }
    #[derive(Debug)]
    #[must_use]
    pub enum IoResult {
        Ok,
        Err(IoError),
    }
}

pub mod mmio {
    use crate::io::IoResult;
    use std::ops::RangeInclusive;
    pub trait MmioIntercept: crate::ChipsetDevice {
        fn mmio_read(&mut self, addr: u64, data: &mut [u8]) -> IoResult;
        fn mmio_write(&mut self, addr: u64, data: &[u8]) -> IoResult;
        fn get_static_regions(&mut self) -> &[(&str, RangeInclusive<u64>)] {
            &[]
        }
    }
}

pub trait ChipsetDevice: 'static + Send {
    fn supports_mmio(&mut self) -> Option<&mut dyn mmio::MmioIntercept> {
        None
    }
}

pub trait IommuTranslator: Send + Sync + 'static {
    type Error: std::error::Error + Send + Sync + 'static;
    fn max_iova(&self) -> u64;
    fn translate<R>(
        &self,
        rid: u16,
        iova: u64,
        write: bool,
        op: impl FnOnce(u64) -> R,
    ) -> std::result::Result<R, TranslationFault<Self::Error>>;
}
#[derive(Debug)]
pub struct TranslationFault<E> {
    pub iova: u64,
    pub error: E,
}

// ---- anyhow, tracing, tracelimit ------------------------------------------------------------------

pub struct Error(pub String);
impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}
pub type Result<T, E = Error> = std::result::Result<T, E>;

#[macro_export]
macro_rules! anyhow {
    ($($text:tt)*) => { $crate::Error(format!($($text)*)) };
}
#[macro_export]
macro_rules! bail {
    ($($text:tt)*) => { return Err($crate::anyhow!($($text)*)) };
}
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $($text:tt)*) => { if !$condition { $crate::bail!($($text)*); } };
}

/// Nothing is logged: arguments are not even looked at.
macro_rules! silent {
    ($dollar:tt $($name:ident)*) => {$(
        #[macro_export]
        macro_rules! $name { ($dollar($dollar any:tt)*) => {{}}; }
    )*};
}
silent! { $ error warn info debug trace error_ratelimited warn_ratelimited info_ratelimited }

// ---- open_enum ------------------------------------------------------------------------------------

/// A number, of which some values have names.
#[macro_export]
macro_rules! open_enum {
    ($(#[$of_type:meta])* $visibility:vis enum $name:ident : $number:ty {
        $(#![$of_impl:meta])*
        $($(#[$of_value:meta])* $value:ident = $is:expr,)*
    }) => {
        #[derive(Copy, Clone, Eq, PartialEq, Hash, Ord, PartialOrd)]
        #[repr(transparent)]
        $(#[$of_type])*
        $visibility struct $name(pub $number);
        $(#[$of_impl])*
        impl $name {
            $($(#[$of_value])* pub const $value: $name = $name($is);)*
        }
        impl ::core::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                ::core::fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}
