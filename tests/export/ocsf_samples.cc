// One record of every event, bare and filled with hostile text, as OCSF on stdout, a line each.
#include <google/protobuf/descriptor.h>

#include <cstdio>
#include <string>

#include "ledger/reader.h"
#include "policy/ocsf.h"
#include "proto/record.pb.h"

namespace cairn {
namespace {

const char kHostile[] = "a\"b\\c\n\x1b[31m\xff<script>\xe2\x80\xae/etc/x";

void Fill(Record* record) {
  record->set_ret(record->type() % 2 == 0 ? -13 : 0);
  record->set_severity(static_cast<Severity>(record->type() % 5));
  record->set_tid(4);
  record->mutable_file()->set_path(kHostile);
  record->mutable_file()->set_inode(7);
  record->mutable_target()->set_path("/new");
  record->mutable_net()->set_dst_ip(std::string("\x7f\0\0\x01", 4));
  record->mutable_net()->set_dst_port(53);
  record->mutable_net()->set_src_ip(std::string(16, '\x01'));
  record->mutable_net()->set_dns_name("example.com");
  record->mutable_kernel()->set_name(kHostile);
  record->mutable_peer()->set_pid(9);
  record->mutable_peer()->set_comm(kHostile);
  record->mutable_audit()->set_account(kHostile);
  record->mutable_audit()->set_terminal("pts/1");
  record->mutable_audit()->set_unit("ssh.service");
  if (record->type() == AGENT_START) record->mutable_agent()->set_hostname("h");
}

void Print(const Record& record, const Process* process) {
  ledger::LoggedRecord logged;
  logged.sequence = 12345678901;
  logged.wall_ns = 1700000000123456789;
  logged.record = &record;
  logged.process = process;
  logged.origin = "test.example/h/00000000-0000-4000-8000-000000000001/1";
  logged.boot_id = "00000000-0000-4000-8000-00000000b007";
  const std::string rule = kHostile;
  logged.rules = {rule, "floor:exec"};
  std::string line;
  policy::AppendOcsf(logged, std::string(32, '\x07'), &line);
  std::puts(line.c_str());
}

}  // namespace
}  // namespace cairn

int main() {
  cairn::Process process;
  process.set_pid(1);
  process.set_start_ns(2);
  process.set_exe(cairn::kHostile);
  process.set_user(cairn::kHostile);
  process.set_cwd("/");
  process.set_ppid(1);
  process.set_session(3);
  process.add_argv(cairn::kHostile);
  const auto* types = google::protobuf::GetEnumDescriptor<cairn::EventType>();
  for (int i = 1; i < types->value_count(); ++i) {
    cairn::Record record;
    record.set_type(static_cast<cairn::EventType>(types->value(i)->number()));
    cairn::Print(record, nullptr);
    cairn::Fill(&record);
    cairn::Print(record, &process);
  }
}
