// SPDX-License-Identifier: MIT
#pragma once

namespace iommucheck::cli {

/// The program again, once, with addresses that are the same in each run: a driver that does by
/// chance what it does at one address, and the words of a finding, do so each time. Where that is
/// refused, and under sanitizers, which place their memory themselves, it goes on as it is. First
/// in main: argv is what the program was given.
void fix_addresses(char** argv);

}  // namespace iommucheck::cli
