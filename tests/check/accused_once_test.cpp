// SPDX-License-Identifier: MIT
// Sequences for which our drivers were accused once, or left without a verdict: each stands for
// what was wrong then, in the specification or in the driver.
#include <gtest/gtest.h>

#include "check/check.h"
#include "check/given.h"
#include "report/finding_text.h"

namespace iommucheck::oracle::accused_once_test {
namespace {

CheckResult check(const CheckOptions& options) {
  auto result = run_check(options);
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

struct Accused {
  const char* why;
  const char* driver;
  const char* machine;
  const char* sequence;
  const char* backend{""};
};

TEST(AccusedOnce, IsNotAccusedAgain) {
  const Accused cases[] = {
      {"stage 2 that may be written may be read", "builtin",
       "httu=2,vmid16=1,s2p=1,xnx=1,devices=0xf:8",
       "user pa_page=1 choices=0xa\nunmap aim=inside page=1\nmap aim=behind prot=w\n"
       "user mapping=1 choices=0x2fd\n"},
      {"a device that a time-out left between a user's route and none", "builtin-per-device",
       "s2p=1,gran64k=1,devices=0x2:10:ats/0x4+0x1+0x0:0",
       "user device=1\nuser variant=entry choices=0xc2\ndomain_alloc variant=identity\n"
       "hardware variant=stop\nattach device=1 domain=1\nuser choices=0x80\n"},
      {"more PASIDs than the SMMU has are no route", "builtin",
       "s2p=1,ssidsize=1,devices=0x2+0x1:1:ats/0x3:1", "user choices=0x4be\n"},
      {"old entries of a device's meet a route by split-stage ATS", "builtin-per-device",
       "httu=2,vmid16=1,s2p=1,gran64k=1,ssidsize=11,sidsize=4,devices=0x3:10:ats:stall/0x0:3:stall",
       "dirty\nuser choices=0x4be\n"},
      {"a device on its way to stage 2 says nothing of how a walker beside it reads", "builtin",
       "minor=3,s2p=1,fwb=1,gran16k=1,ssidsize=1,sidsize=5,devices=0x2+0x1:1:ats/0x3:1",
       "gpu_switch\ndomain_alloc variant=stage2\nqueue choices=0x4\nattach\nmap domain=1\n"
       "gpu_switch\ndomain_alloc\n"},
      {"the same domain again at a PASID settles nothing that a time-out left open", "builtin",
       "bbml=1,st2l=0,asid16=0,vmid16=1,s2p=1,ats=0,ttendian=0,xnx=1,gran16k=1,ssidsize=3,sidsize="
       "6,"
       "cmdqs=5,eventqs=4,oas=42,stall=1,cmdq=4,devices=0xf+0x2+0x1:3/0xb:0",
       "hardware at=9 variant=stop\nattach_pasid\ndomain_alloc\nattach_pasid domain=1\n"
       "attach_pasid\nmap domain=1\n"},
      {"what attach_pasid stored that timed out is not known before recovery, to who opens a queue",
       "builtin",
       "minor=0,cohacc=0,ril=0,httu=1,cd2l=0,s2p=1,hyp=1,ats=0,term=1,ttendian=0,had=0,gran16k=1,"
       "gran64k=1,sidsize=7,cmdqs=7,eventqs=4,oas=32,cmdq=3,boot=dirty,"
       "devices=0x18:8:stall/0x30+0x5+0x1:0/0x6:3/0x0:3",
       "sva_alloc device=1\nhardware at=7 variant=stop_sync\nfaults choices=0x400\n"
       "attach_pasid device=1\nfaults\nattach\n"},
      {"what an earlier unbind_dev_all left is there when the next finds nothing", "builtin",
       "minor=3,cohacc=0,bbml=2,httu=1,cd2l=0,vmid16=1,s2p=1,hyp=1,ats=0,term=1,xnx=1,e0pd=1,fwb=1,"
       "ssidsize=10,sidsize=32,cmdqs=4,oas=48,cmdq=0,"
       "devices=0x4:10:stall:group=1/0x332:1:group=1/0x0+0x1+0x362:10/0x5b:3:stall",
       "domain_alloc\nlink device=2\nmap domain=1\nqueue\nunbind_all device=3\n"
       "unbind_all device=3\n"},
      {"a device answers in a Release that goes on while another call comes and goes",
       "builtin-per-device",
       "cohacc=0,ril=0,bbml=1,cd2l=0,st2l=0,asid16=0,ttendian=0,xnx=1,stt=1,ssidsize=10,sidsize=5,"
       "cmdqs=7,oas=42,stall=1,cmdq=7,devices=0xe+0x5+0x0:10:ats/0x1:10:ats/0x2:5",
       "hardware commands=1\nbind\nunbind choices=0x330\nbind variant=further\nmap page=1\nbind\n"
       "queue\nhardware at=7 variant=stop_sync\nunbind\nunmap aim=start choices=0xc0\n"
       "queue choices=0x2\nprocess_exit\nattach\n"},
      {"a device answers outside of all calls, behind an interrupt", "builtin-per-device",
       "minor=2,cohacc=0,bbml=1,st2l=0,asid16=0,ttendian=0,xnx=1,fwb=1,gran64k=1,ssidsize=11,"
       "sidsize=4,cmdqs=6,eventqs=3,oas=42,cmdq=0,boot=dirty,hooks=-mm_alloc/-mm_free,"
       "devices=0x4+0x3+0x1:10:ats/0x0:3:stall/0x5:3:ats/0x8:10:ats",
       "hardware commands=1\nfaults choices=0x310\nbind device=2 domain=1\ntask_bind device=1\n"
       "queue\nbind device=2\nbind choices=0x3cc\nqueue choices=0x7\nbind choices=0x403\n"
       "task_unbind\n"},
      {"what silenced a queue is there still after an attach_pasid that timed out", "builtin",
       "cohacc=0,httu=2,st2l=0,asid16=0,vmid16=1,s2p=1,hyp=1,ats=0,xnx=1,gran16k=1,sidsize=6,"
       "cmdqs=3,eventqs=5,oas=32,cmdq=0,boot=dirty,devices=0x4+0x11:8/0x6:3:stall/0x3:5:stall",
       "bind fail=1\nbind domain=1\nhardware at=4 variant=stop_sync\nfaults choices=0x400\n"
       "attach_pasid device=1\nbind\nqueue choices=0x2\nattach_pasid\ndetach\nfaults\n"},
      {"a device that has a queue makes faults wait while it comes back", "builtin",
       "minor=2,cohacc=0,bbml=1,httu=2,cd2l=0,st2l=0,asid16=0,vmid16=1,s2p=1,hyp=1,ttendian=0,xnx="
       "1,fwb=1,gran16k=1,ssidsize=7,sidsize=6,cmdqs=3,eventqs=6,oas=40,cmdq=0,hooks=-mm_alloc/"
       "-mm_free,devices=0x4:7:ats:stall/0x1e:5:stall",
       "attach\nsva_init variant=private\nfaults device=1\nbind\ndetach device=1\nattach "
       "device=1\n"},
      {"a device that has a queue makes faults of others wait while it comes", "builtin",
       "minor=2,cohacc=0,bbml=1,httu=2,cd2l=0,st2l=0,asid16=0,vmid16=1,s2p=1,hyp=1,ttendian=0,xnx="
       "1,fwb=1,gran16k=1,ssidsize=7,sidsize=6,cmdqs=3,eventqs=6,oas=40,cmdq=0,hooks=-mm_alloc/"
       "-mm_free,devices=0x4:7:ats:stall/0x1e:5:stall",
       "attach device=1\nfaults\nsva_init device=1 variant=private\ndetach\nbind "
       "device=1\nattach\n"},
      {"what a device has cached outlives its stay with a user", "builtin",
       "minor=0,ril=0,cd2l=0,st2l=0,asid16=0,vmid16=1,s2p=1,hyp=1,term=1,had=0,gran16k=1,ssidsize="
       "11,sidsize=4,cmdqs=3,eventqs=2,oas=32,cmdq=5,boot=dirty,devices=0x2:10:ats:stall:group=1/"
       "0x7+0x1+0x3:3:ats:stall:group=1",
       "hardware commands=1\nuser choices=0x38d\ndetach choices=0xc3\n"},
      {"a user that bypasses its stage 1 has all rights of its stage 2", "builtin",
       "vmid16=1,s2p=1,devices=0x1:8:ats/0x2+0x3:5:ats/0x4:0", "user choices=0x21c\nmap\nuser\n"},
      {"a domain whose attach timed out while its route was prepared may be cached", "builtin",
       "minor=0,cohacc=0,ril=0,httu=2,cd2l=0,asid16=0,s2p=1,ttendian=0,had=0,gran16k=1,gran64k=1,"
       "ssidsize=3,sidsize=7,cmdqs=7,eventqs=2,oas=48,cmdq=4,hooks=-mm_alloc/-mm_free,"
       "devices=0x2+0x2e:3:ats/0x4:3:ats",
       "hardware\ndomain_alloc\ndomain_alloc variant=blocked\nhardware at=6 variant=stop_sync\n"
       "attach_pasid domain=1 choices=0x3\nattach\nmap\nmap aim=behind size=2M-4K\nunmap "
       "size=2M\n"},
      {"an event that was recorded while a device came may be of its new user",
       "builtin-per-device",
       "cohacc=0,ril=0,bbml=2,httu=1,cd2l=0,st2l=0,asid16=0,vmid16=1,s2p=1,ats=0,xnx=1,stt=1,"
       "gran16k=1,ssidsize=1,sidsize=5,eventqs=3,hooks=-mm_attach,"
       "devices=0x1:1/0x0+0x5:0/0xf+0xc+0x3:5:stall",
       "user choices=0x8\nuser page=3 variant=events choices=0x554\n"
       "user device=1 domain=1 choices=0x404\n"
       "user domain=1 page=2 variant=events choices=0x72a\naccess device=1 choices=0x3c0\n"
       "user domain=1 mapping=10 page=14 variant=events choices=0x7dc\n"},
      {"a queue of events that is opened over unread ones may be full of them", "builtin",
       "minor=3,cohacc=0,bbml=1,httu=2,asid16=0,s2p=1,hyp=1,term=1,xnx=1,e0pd=1,fwb=1,sidsize=7,"
       "cmdqs=7,eventqs=6,oas=42,stall=1,cmdq=3,devices=0x4:8:ats:group=1/0x4c:3:group=1",
       "user variant=access\naccess page=1\nuser mapping=2 page=26 variant=events choices=0x631\n"
       "user variant=entry choices=0x735\nuser page=6 variant=events choices=0x65a\n"},
      {"a table is used again that a call left in doubt which a later one has settled", "builtin",
       "ril=0,bbml=2,st2l=0,asid16=0,s2p=1,hyp=1,term=1,ttendian=0,xnx=1,stt=1,ssidsize=10,sidsize="
       "4,"
       "cmdqs=6,eventqs=2,oas=36,cmdq=3,boot=dirty,"
       "devices=0xd+0x2:10:ats:stall/0x6+0x1+0x0:3/0x7:0:ats/0x5+0x3:10:ats",
       "sva_alloc device=2\nattach\nhardware at=4 variant=stop_sync\nsva_query variant=io_mm_attr\n"
       "detach device=3\ntask_bind\n"},
      {"a token that is given back twice while its handler runs takes one reference along",
       "builtin-per-device",
       "minor=3,bbml=2,httu=2,s2p=1,ats=0,ssidsize=11,devices=0x72:10:stall/0x38+0x8:1/0x512:2",
       "bind\ntask_bind variant=svm\nprocess_exit\ntask_unbind\ntask_unbind\n"
       "handler_return variant=error\nunbind\n"},
      {"a CMD_RESUME has acted, and a CMD_SYNC before it fails", "builtin",
       "bbml=2,httu=1,cd2l=0,st2l=0,asid16=0,s2p=1,term=1,ttendian=0,xnx=1,stt=1,gran64k=1,"
       "ssidsize=11,"
       "sidsize=4,cmdqs=6,eventqs=5,oas=42,cmdq=7,boot=dirty,"
       "devices=0x0+0x6:10:ats:group=1/0x1:0:ats:group=1/0x9+0xb:5:ats:stall",
       "faults\nhardware at=7 variant=stop\ntlb_range_add\nattach\nfaults variant=read\n"
       "iotlb_sync\nhardware variant=refuse\nqueue\nfaults variant=answer\n"},
      {"a map that is undone, while a device may be on its user's domain by a call that timed out",
       "builtin-per-device",
       "ril=0,bbml=2,st2l=0,asid16=0,vmid16=1,s2p=1,hyp=1,ats=0,ttendian=0,xnx=1,stt=1,ssidsize=1,"
       "sidsize=6,cmdqs=7,oas=48,cmdq=3,boot=dirty,hooks=-mm_alloc/-mm_free,"
       "devices=0x30+0x7:1:stall/0x8:3/0x3:0/0x6:5",
       "hardware at=4 variant=stop\nuser choices=0x6f0\nqueue\nmap page=1 size=64K\n"},
      {"a flag in the driver's own table, in a page that a user was given as well", "builtin",
       "ril=0,bbml=2,httu=2,cd2l=0,st2l=0,asid16=0,vmid16=1,s2p=1,pri=1,msi=1,term=1,xnx=1,gran16k="
       "1,ssidsize=11,sidsize=6,cmdqs=3,eventqs=6,priqs=2,oas=32,cmdq=8,"
       "devices=0x0:10:ats:pri:group=1/0x26:1:ats:pri:group=1/0x2+0x1+0xf:3/0x7+0x1d+0x5:5:ats:pri",
       "user page=2\ndirty device=2\nuser page=1 choices=0x1\nmap size=60K pa=odd pa_page=4\n"
       "user page=2 variant=access choices=0x40\ndirty choices=0x4\n"},
      {"a user that changes its mind often", "builtin", "s2p=1,devices=0x1:8/0x2:8",
       "user choices=0x1\nuser choices=0x1\nuser choices=0x20\nuser choices=0x1\nuser\n"
       "user choices=0x20\nuser choices=0x1\nuser\nuser choices=0x20\nattach\n"},
      {"and a device that is moved then", "builtin", "s2p=1,devices=0x1:8/0x2:8",
       "user choices=0x1\nuser pa_page=2 choices=0x1\nuser pa_page=1 choices=0x26\n"
       "user pa_page=1 choices=0x1\nuser variant=entry\nattach\n"},
      {"who leaves a shared table while the queue is stuck: who stays may wait again", "builtin",
       "minor=2,cohacc=0,bbml=2,httu=2,cd2l=0,vmid16=1,s2p=1,hyp=1,ats=0,term=1,ttendian=0,xnx=1,"
       "fwb=1,ssidsize=10,cmdqs=5,eventqs=3,oas=36,cmdq=8,"
       "devices=0x5:10/0x2:10:stall/0x5b:0/0x5e:10",
       "attach_pasid device=2\nfaults variant=fault\nattach\nqueue choices=0x2\nattach_pasid\n"
       "detach\n"},
      {"a group of a queue that a time-out has closed is no handler's", "builtin", "default",
       "attach_pasid\nfaults device=1 choices=0xd0\nunbind\nfaults device=1 variant=read\n"
       "hardware variant=stop\nfaults variant=close\nqueue\nfaults variant=late choices=0x61c\n"},
      {"what a device asks for at a PASID that is given a blocked domain", "builtin",
       "cohacc=0,bbml=2,pri=1,ssidsize=10,sidsize=5,priqs=4,devices=0x1f:10:ats:pri",
       "attach_pasid\nbind\naccess pa_page=1\ndomain_alloc variant=blocked\n"
       "attach_pasid domain=1\nattach\n"},
      {"a group at a process that the device meets by another's bond, behind a detach that timed "
       "out",
       "builtin",
       "minor=3,bbml=2,httu=1,cd2l=0,st2l=0,s2p=1,term=1,sidsize=6,cmdqs=6,eventqs=5,"
       "devices=0x4:8:stall/0x1e:8:stall/0xf:5",
       "faults\nbind device=1 domain=1\naccess pa_page=2\nunbind\nhardware variant=stop\n"
       "faults variant=read\ndetach\naccess choices=0x401\n"},
      {"a queue whose close owes nothing, while what another was closed with is on its way",
       "builtin",
       "cohacc=0,bbml=1,s2p=1,pri=1,ssidsize=10,cmdqs=6,eventqs=2,priqs=8,stall=1,cmdq=3,"
       "boot=dirty,devices=0x6+0x0:10:ats:pri/0x13+0x3:1/0x166+0xe+0x350:3",
       "faults choices=0x130\nhardware at=3 variant=stop\nfaults choices=0x10\n"
       "faults variant=read\nfaults variant=close\nhardware variant=stop\nattach device=1\n"
       "faults variant=close\n"},
      {"a device that answers again in a move that times out is there behind recovery", "builtin",
       "default",
       "hardware at=5 variant=refuse\nbind device=2\nattach_pasid device=1\n"
       "domain_alloc variant=blocked\nunbind\nattach_pasid variant=detach\n"
       "attach device=3 choices=0xc4\nprocess_map prot=r\nbind\nattach_pasid device=2\n"
       "hardware at=7 variant=stop\nprocess_protect\nattach device=3\nattach_pasid\n"},
      {"a device between two domains reads a table of the one with that one's input size",
       "builtin",
       "minor=3,bbml=2,st2l=0,asid16=0,msi=1,term=1,ttendian=0,xnx=1,e0pd=1,fwb=1,gran64k=1,"
       "sidsize="
       "4,cmdqs=3,eventqs=2,oas=48,stall=1,cmdq=7,boot=dirty,hooks=-mm_free,"
       "devices=0x1:8:ats:group=1/0x0:3:group=1/0x4:8:ats/0x3:8",
       "domain_alloc\ndomain_alloc variant=paging,39\ndomain_alloc\n"
       "hardware commands=3 variant=refuse\nattach\nqueue choices=0x6\nattach\ngpu_switch\n"
       "map domain=3 page=1\n"},
      {"what a failed map_sg had mapped around a page that a time-out has left", "builtin",
       "ril=0,bbml=2,cd2l=0,ats=0,term=1,ttendian=0,xnx=1,stt=1,gran16k=1,gran64k=1,ssidsize=10,"
       "sidsize=7,eventqs=5,cmdq=3,devices=0xf+0x1:10:group=1/0x4b:3:group=1/0xa:1/0x0:0:stall",
       "attach\nmap window=around_2m page=2\nqueue\nunmap aim=start\n"
       "hardware at=3 variant=stop_sync\nmap_sg page=1 size=2M fail=1\n"},
      {"what recovery hands to a fault handler while its device is unbound from what others share",
       "builtin",
       "cohacc=0,ril=0,bbml=1,httu=1,st2l=0,asid16=0,pri=1,ttendian=0,xnx=1,gran16k=1,gran64k=1,"
       "ssidsize=11,sidsize=4,cmdqs=4,eventqs=5,priqs=8,oas=36,stall=1,"
       "devices=0x1:10:ats:pri/0x4+0x5+0x2:1:ats/0x0:3:ats:pri/0xa:10:ats:pri",
       "faults device=3 choices=0x30\nmap\nbind\nqueue\nunmap\n"
       "access device=3 pa_page=1 choices=0x300\nsva_shutdown\n"},
      {"a group at a process that the device meets by another's bond, whose unbind timed out",
       "builtin", "default",
       "faults device=1 choices=0x10\nfaults choices=0x3\naccess pa_page=1 choices=0x400\nqueue\n"
       "unbind\nfaults variant=read\nsva_alloc\n"},
      {"the same, answered", "builtin", "default",
       "faults device=1 variant=close\nfaults choices=0x3\naccess pa_page=1 choices=0x400\n"
       "faults variant=read\nqueue\nunbind\nsva_alloc\nfaults variant=answer\n"},
      {"a group whose answer timed out before its last page was read, and one like it", "builtin",
       "ril=0,cd2l=0,st2l=0,asid16=0,vmid16=1,s2p=1,hyp=1,pri=1,term=1,xnx=1,gran16k=1,gran64k=1,"
       "ssidsize=11,sidsize=4,eventqs=3,priqs=8,oas=32,cmdq=3,boot=dirty,"
       "devices=0xc+0x8+0x1:10:ats:pri/0xf:0:ats:stall/0x0:10",
       "faults mapping=3 choices=0x71a\nhardware variant=stop\nfaults mapping=3 variant=answer\n"
       "faults variant=read\n"},
      {"room in a fault queue that another's exit makes", "builtin",
       "cohacc=0,ril=0,cd2l=0,st2l=0,asid16=0,pri=1,term=1,xnx=1,stt=1,gran16k=1,gran64k=1,"
       "ssidsize=10,sidsize=5,cmdqs=5,eventqs=6,priqs=8,cmdq=0,boot=dirty,hooks=-mm_alloc/-mm_free,"
       "devices=0xe+0x0:10:ats:stall/0x4+0x16:3:ats:pri/0x2:10",
       "bind\nbind domain=1\nfaults variant=answer\nqueue\nprocess_exit\n"
       "faults mapping=1 variant=fault choices=0x400\nattach_pasid variant=selected\n"},
      {"a group of a device that shares no table with the one that is bound still", "builtin",
       "default",
       "hardware at=20 variant=stop_sync\nattach_pasid device=1\nbind\nfaults device=1 "
       "choices=0x2\n"
       "detach\nbind\naccess device=3 pa_page=1 choices=0x400\nbind device=1\n"
       "faults variant=read\nunbind\nbind\n"},
      {"an address that is mapped again and again while the queue is stuck", "builtin", "default",
       "map\nattach device=1\nqueue\nattach\nmap aim=behind\nhardware at=4 variant=stop_sync\n"
       "flush_iotlb_all\nunmap\nqueue\nmap pa_page=1\nqueue\nmap prot=r\n"
       "map size=8K pa_page=1 prot=r choices=0xc3\nmap size=8K pa_page=2 choices=0x30\n"},
      {"Device memory of a parent, met by ATS where its user translates nothing", "builtin",
       "ril=0,bbml=1,httu=2,cd2l=0,asid16=0,s2p=1,msi=1,term=1,ttendian=0,xnx=1,gran16k=1,gran64k="
       "1,"
       "ssidsize=11,sidsize=20,cmdqs=3,eventqs=3,cmdq=4,boot=dirty,"
       "devices=0x74:10:ats:group=1/0x48+0x7b2:10:ats:stall:group=1/0x574:0",
       "user choices=0x410\nmap prot=rw,device\nuser choices=0x2e6\nattach domain=1\n"},
      {"a device that has no index of a group left", "builtin",
       "httu=2,cd2l=0,st2l=0,asid16=0,vmid16=1,s2p=1,hyp=1,pri=1,msi=1,xnx=1,gran16k=1,sidsize=5,"
       "cmdqs=3,priqs=8,oas=48,stall=1,cmdq=3,boot=dirty,hooks=-mm_alloc/-mm_free,"
       "devices=0x0:8:ats:group=1/0x17:8:ats:group=1/0xb:0/0x4+0x2+0x1:8:ats:pri",
       "faults\naccess device=3 pa_page=1 variant=read,many_times choices=0x131\n"
       "access device=3 pa_page=1 variant=read,many_times choices=0x206\nunbind_all\n"},
      {"an answer that is on its way does not fail of what an attach before it has lost", "builtin",
       "ril=0,bbml=2,httu=2,cd2l=0,st2l=0,vmid16=1,s2p=1,xnx=1,gran16k=1,gran64k=1,ssidsize=10,"
       "sidsize=6,cmdqs=3,eventqs=3,oas=42,cmdq=3,boot=dirty,"
       "devices=0x6+0x7:10:ats:stall/0x0+0x1:10/0x2:0:ats:stall/0x4+0xd+0x15:10:ats",
       "bind\nhardware variant=stop\nattach device=1\nhardware variant=stop\n"
       "faults choices=0x2b0\n"},
      {"a record of a page request of a device that has gone and come again", "builtin",
       "cohacc=0,bbml=1,cd2l=0,st2l=0,s2p=1,pri=1,msi=1,ttendian=0,xnx=1,gran16k=1,gran64k=1,"
       "ssidsize=10,sidsize=4,priqs=1,oas=36,stall=1,boot=dirty,"
       "devices=0x7+0x8+0x0:10:ats:pri/0x3+0x4+0x2:3/0x1:10/0xd:10",
       "bind\nprocess_exit\nhandler_return variant=error\nfaults variant=fault choices=0x200\n"
       "remove\nremove\nfaults choices=0x90\n"},
      {"a private space at the number that a bond whose faults wait held till a time-out",
       "builtin", "default,devices=0x1:1:stall", "bind\nmap\nqueue\ndetach\nsva_alloc\n", "two"},
  };
  for (const Accused& one : cases) {
    auto sequence = parse_sequence(one.sequence, one.why);
    ASSERT_TRUE(sequence) << sequence.error().message;
    CheckOptions options;
    options.driver = one.driver;
    options.backend = one.backend;
    options.machine = one.machine;
    options.given = std::make_shared<const std::vector<GivenCase>>(
        std::vector<GivenCase>{{one.why, *sequence}});
    const CheckResult result = check(options);
    EXPECT_EQ(result.sequences, 1U) << one.why;
    EXPECT_EQ(result.without_verdict, 0U) << one.why;
    for (const auto& finding : result.findings) {
      ADD_FAILURE() << one.why << ": " << headline(finding);
    }
  }
}

}  // namespace
}  // namespace iommucheck::oracle::accused_once_test
