// SPDX-License-Identifier: MIT
// iommucheck/monitor.h and monitor_report.h by DPI: what smmu_monitor.sv needs of them. Texts that
// may be NULL are asked for only where they are not: a `string` cannot be NULL.
package iommucheck_pkg;
  import "DPI-C" function chandle iommucheck_monitor_open_file(input string path);
  import "DPI-C" function void iommucheck_monitor_close(input chandle m);
  import "DPI-C" function string iommucheck_monitor_last_error(input chandle m);
  import "DPI-C" function int iommucheck_monitor_finish(input chandle m);
  import "DPI-C" function int iommucheck_monitor_findings(input chandle m);
  import "DPI-C" function string iommucheck_monitor_finding_text(
      input chandle m, input int unsigned finding, input int what);
  import "DPI-C" function int iommucheck_monitor_save(input chandle m, input string path);
  import "DPI-C" function int iommucheck_monitor_add_coverage(input chandle m, input string path);

  import "DPI-C" function int iommucheck_report_store(
      input chandle m, input int unsigned agent, input longint unsigned known,
      input longint unsigned pa, input longint unsigned size, input longint unsigned value,
      input longint unsigned value_high, input longint unsigned word, input longint unsigned pc,
      input longint unsigned swept);
  import "DPI-C" function int iommucheck_report_mmio_write(
      input chandle m, input int unsigned agent, input longint unsigned known,
      input longint unsigned offset, input longint unsigned size, input longint unsigned value,
      input longint unsigned ordered, input longint unsigned iommu, input longint unsigned pc);
  import "DPI-C" function int iommucheck_report_mmio_read(
      input chandle m, input int unsigned agent, input longint unsigned known,
      input longint unsigned offset, input longint unsigned size, input longint unsigned value,
      input longint unsigned ordered, input longint unsigned iommu, input longint unsigned pc);
  import "DPI-C" function int iommucheck_report_command_consumed(
      input chandle m, input int unsigned agent, input longint unsigned known,
      input longint unsigned slot, input longint unsigned command_low,
      input longint unsigned command_high);
  import "DPI-C" function int iommucheck_report_event_recorded(
      input chandle m, input int unsigned agent, input longint unsigned known,
      input longint unsigned slot, input longint unsigned record[4]);
  import "DPI-C" function int iommucheck_report_dma(
      input chandle m, input int unsigned agent, input longint unsigned known,
      input longint unsigned sid, input longint unsigned ssid, input longint unsigned iova,
      input longint unsigned direction, input longint unsigned privileged,
      input longint unsigned length, input longint unsigned kind, input longint unsigned result,
      input longint unsigned pa, input longint unsigned rights, input longint unsigned attributes,
      input longint unsigned shareability, input longint unsigned stag,
      input longint unsigned iommu);

  localparam int FindingAll = 6;

  // Agents: IOMMUCHECK_CPU(0), _SMMU(0), _DEVICE(IOMMUCHECK_SOME).
  localparam int unsigned Cpu = 32'h0000;
  localparam int unsigned Smmu = 32'h4000;
  localparam int unsigned SomeDevice = 32'hbfff;

  // Bits of `known`: which of the facts that may be absent are there.
  localparam longint unsigned StoreValue = 64'h1;
  localparam longint unsigned MmioWriteOrdered = 64'h1;
  localparam longint unsigned CommandConsumedCommand = 64'h1;
  localparam longint unsigned EventRecordedSlot = 64'h1;
  localparam longint unsigned EventRecordedRecord = 64'h2;
  localparam longint unsigned DmaSsid = 64'h01;
  localparam longint unsigned DmaDirection = 64'h02;
  localparam longint unsigned DmaPrivileged = 64'h04;
  localparam longint unsigned DmaLength = 64'h08;
  localparam longint unsigned DmaKind = 64'h10;
  localparam longint unsigned DmaPa = 64'h20;

  localparam longint unsigned NoSubstream = ~64'h0;
  localparam longint unsigned ResultBypass = 64'd1;
  localparam longint unsigned ResultAbort = 64'd3;
endpackage
