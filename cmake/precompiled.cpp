// SPDX-License-Identifier: MIT
// What carries precompiled headers: IommucheckPrecompiled.cmake.
int main() { return 0; }
