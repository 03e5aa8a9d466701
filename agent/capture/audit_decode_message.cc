// Records that say what happened in words: MAC decisions, audit's own configuration, and what
// login programs, account tools and service managers report.

#include <algorithm>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "agent/capture/audit_decode_parts.h"

namespace cairn::capture::audit {
namespace {

struct MessageType {
  uint16_t type;
  EventType success;
  EventType failure;
};
constexpr MessageType kUserTypes[] = {
    {kUserAuth, AUTH_CREDENTIAL, AUTH_FAILURE},
    {kUserAcct, AUTH_CREDENTIAL, AUTH_FAILURE},
    {kCredAcq, AUTH_CREDENTIAL, AUTH_FAILURE},
    {kCredDisp, AUTH_CREDENTIAL, AUTH_FAILURE},
    {kCredRefr, AUTH_CREDENTIAL, AUTH_FAILURE},
    {kGrpAuth, AUTH_CREDENTIAL, AUTH_FAILURE},
    {kUserRoleChange, AUTH_CREDENTIAL, AUTH_FAILURE},
    {kUserStart, AUTH_LOGIN, AUTH_FAILURE},
    {kUserLogin, AUTH_LOGIN, AUTH_FAILURE},
    {kUserEnd, AUTH_LOGOUT, AUTH_LOGOUT},
    {kUserLogout, AUTH_LOGOUT, AUTH_LOGOUT},
    {kUserErr, AUTH_FAILURE, AUTH_FAILURE},
    {kAnomLoginFailures, AUTH_FAILURE, AUTH_FAILURE},
    {kAnomLoginTime, AUTH_FAILURE, AUTH_FAILURE},
    {kAnomLoginSessions, AUTH_FAILURE, AUTH_FAILURE},
    {kAnomLoginAcct, AUTH_FAILURE, AUTH_FAILURE},
    {kAnomLoginLocation, AUTH_FAILURE, AUTH_FAILURE},
    {kUserMgmt, ACCOUNT_CHANGE, ACCOUNT_CHANGE},
    {kUserChauthtok, ACCOUNT_CHANGE, ACCOUNT_CHANGE},
    {kAddUser, ACCOUNT_CHANGE, ACCOUNT_CHANGE},
    {kDelUser, ACCOUNT_CHANGE, ACCOUNT_CHANGE},
    {kAddGroup, ACCOUNT_CHANGE, ACCOUNT_CHANGE},
    {kDelGroup, ACCOUNT_CHANGE, ACCOUNT_CHANGE},
    {kChgrpId, ACCOUNT_CHANGE, ACCOUNT_CHANGE},
    {kChuserId, ACCOUNT_CHANGE, ACCOUNT_CHANGE},
    {kGrpMgmt, ACCOUNT_CHANGE, ACCOUNT_CHANGE},
    {kGrpChauthtok, ACCOUNT_CHANGE, ACCOUNT_CHANGE},
    {kAcctLock, ACCOUNT_CHANGE, ACCOUNT_CHANGE},
    {kAcctUnlock, ACCOUNT_CHANGE, ACCOUNT_CHANGE},
    {kRoleAssign, ACCOUNT_CHANGE, ACCOUNT_CHANGE},
    {kRoleRemove, ACCOUNT_CHANGE, ACCOUNT_CHANGE},
    {kServiceStart, SERVICE_START, SERVICE_START},
    {kServiceStop, SERVICE_STOP, SERVICE_STOP},
    {kUsysConfig, AUDIT_CONFIG_CHANGE, AUDIT_CONFIG_CHANGE},
    {kUserMacPolicyLoad, AUDIT_CONFIG_CHANGE, AUDIT_CONFIG_CHANGE},
    {kUserMacConfigChange, AUDIT_CONFIG_CHANGE, AUDIT_CONFIG_CHANGE},
    {kUserMacStatus, AUDIT_CONFIG_CHANGE, AUDIT_CONFIG_CHANGE},
};

Outcome OutcomeOf(absl::string_view result) {
  if (result == "success" || result == "1" || result == "yes") return OUTCOME_SUCCESS;
  if (absl::StartsWith(result, "fail") || result == "0" || result == "no") return OUTCOME_FAILURE;
  return OUTCOME_UNKNOWN;
}

// "op=adding user acct=...": the words up to the next name=value.
std::string Operation(absl::string_view text) {
  size_t start = text.find("op=");
  while (start != absl::string_view::npos && start > 0 && text[start - 1] != ' ') {
    start = text.find("op=", start + 1);
  }
  if (start == absl::string_view::npos) return "";
  absl::string_view rest = text.substr(start + 3);
  if (!rest.empty() && (rest.front() == '"' || rest.front() == '\'')) return Bytes(text, "op");
  size_t end = rest.find(' ');
  while (end != absl::string_view::npos) {
    const absl::string_view word = rest.substr(end + 1, rest.find(' ', end + 1) - end - 1);
    if (word.empty() || absl::StrContains(word, "=") || word == ":") break;
    end = rest.find(' ', end + 1);
  }
  rest = rest.substr(0, std::min(end, AuditBounds::kValue));
  return std::string(rest.data(), rest.size());
}

void TakeMessageFields(Decoding* d, absl::string_view message) {
  Audit* audit = d->audit();
  audit->set_op(Operation(message));
  audit->set_account(Bytes(message, "acct"));
  audit->set_hostname(Bytes(message, "hostname"));
  audit->set_address(Bytes(message, "addr"));
  audit->set_terminal(Bytes(message, "terminal"));
  audit->set_unit(Bytes(message, "unit"));
  d->record->set_outcome(OutcomeOf(FindAuditField(message, "res").value));
  KeepOthers(d, message);
}

// Without a process there is no other place for who was logged in.
void KeepLogin(Decoding* d, absl::string_view text) {
  if (d->actor->process.pid() != 0) return;
  for (absl::string_view name : {"auid", "ses"})
    KeepField(d, name, FindAuditField(text, name).value);
}

// "avc:  denied  { read write } for  pid=..."
void TakeSelinux(Decoding* d, absl::string_view text) {
  const size_t open = text.find('{');
  const size_t close = text.find('}', open == absl::string_view::npos ? 0 : open);
  if (open != absl::string_view::npos && close != absl::string_view::npos) {
    const absl::string_view permission = absl::StripAsciiWhitespace(
        text.substr(open + 1, std::min(close - open - 1, AuditBounds::kValue)));
    d->audit()->set_permission(permission.data(), permission.size());
  }
  d->audit()->set_subject(Bytes(text, "scontext"));
  d->audit()->set_object(Bytes(text, "tcontext"));
  const bool permissive = FindAuditField(text, "permissive").value == "1";
  d->record->set_outcome(permissive ? OUTCOME_SUCCESS : OUTCOME_FAILURE);
}

void TakeApparmor(Decoding* d, absl::string_view text) {
  d->audit()->set_op(Bytes(text, "operation"));
  d->audit()->set_subject(Bytes(text, "profile"));
  d->audit()->set_permission(Bytes(text, "denied_mask"));
  if (d->audit()->permission().empty()) d->audit()->set_permission(Bytes(text, "denied"));
  const bool denied = FindAuditField(text, "apparmor").value == "DENIED";
  d->record->set_outcome(denied ? OUTCOME_FAILURE : OUTCOME_SUCCESS);
}

// The object of a denial, where the record names a file and no PATH record did.
void TakeMacObject(Decoding* d, absl::string_view text) {
  AuditField name = FindAuditField(text, "path");
  if (name.name.empty()) name = FindAuditField(text, "name");
  const std::string path = AuditFieldBytes(name);
  if (path.empty() || d->record->has_file()) return;
  SetPath(path, d->record->mutable_file());
  if (const auto inode = Number(text, "ino")) {
    d->record->mutable_file()->set_inode(static_cast<uint64_t>(*inode));
  }
}

// A MAC decision in `words`; `text` is the kernel's part.
bool DecodeMac(Decoding* d, absl::string_view text, absl::string_view words) {
  const absl::string_view apparmor = FindAuditField(words, "apparmor").value;
  const bool selinux =
      absl::StrContains(words, "denied") || absl::StrContains(words, "SELINUX_ERR");
  if (apparmor == "STATUS") {
    d->record->set_type(AUDIT_CONFIG_CHANGE);
  } else if (apparmor == "DENIED" || apparmor == "ALLOWED" || (apparmor.empty() && selinux)) {
    d->record->set_type(MAC_DENIAL);
  } else {
    return false;  // granted, audited, hints: not a denial
  }
  if (d->actor->process.pid() == 0) TakeActor(d, text);
  d->record->clear_ret();
  apparmor.empty() ? TakeSelinux(d, words) : TakeApparmor(d, words);
  TakeMacObject(d, words);
  KeepOthers(d, words);
  return true;
}

bool DecodeLandlock(Decoding* d, absl::string_view text) {
  d->record->set_type(MAC_DENIAL);
  d->record->set_outcome(OUTCOME_FAILURE);
  d->audit()->set_permission(Bytes(text, "blockers"));
  d->audit()->set_subject(Bytes(text, "domain"));
  TakeMacObject(d, text);
  KeepOthers(d, text);
  return true;
}

bool DecodeConfigChange(Decoding* d, absl::string_view text) {
  const std::string op = Operation(text);
  const bool rule = absl::StrContains(op, "rule") || absl::StrContains(text, "list=");
  const bool daemon = absl::StrContains(text, "audit_pid=");
  if (d->actor->process.pid() == 0) TakeActor(d, text);
  d->record->set_type(rule ? AUDIT_RULE_CHANGE : daemon ? AUDIT_DAEMON : AUDIT_CONFIG_CHANGE);
  d->record->clear_ret();
  d->record->set_outcome(OutcomeOf(FindAuditField(text, "res").value));
  d->audit()->set_op(op);
  d->audit()->set_key(Bytes(text, "key"));
  KeepLogin(d, text);
  KeepOthers(d, text);
  return true;
}

bool DecodeLogin(Decoding* d, absl::string_view text) {
  d->record->set_type(AUTH_LOGIN);
  d->record->clear_ret();
  TakeActor(d, text);
  d->record->set_outcome(OutcomeOf(FindAuditField(text, "res").value));
  if (d->record->outcome() == OUTCOME_FAILURE) d->record->set_type(AUTH_FAILURE);
  d->audit()->set_op("set-loginuid");
  KeepOthers(d, text);
  return true;
}

bool DecodeTty(Decoding* d, absl::string_view text) {
  d->record->set_type(TTY_INPUT);
  d->record->clear_ret();
  if (d->actor->process.pid() == 0) TakeActor(d, text);
  KeepOthers(d, text);
  return true;
}

bool DecodeUser(Decoding* d, uint16_t type, absl::string_view text) {
  const AuditUserText split = SplitAuditUserText(text);
  if (type == kUserTty) return DecodeTty(d, text);
  TakeActor(d, split.kernel);
  if (type == kUserAvc && DecodeMac(d, split.kernel, split.message)) return true;
  if (type == kUserSelinuxErr) return DecodeMac(d, split.kernel, split.message);
  TakeMessageFields(d, split.message);
  EventType meaning = AUDIT_OTHER;
  for (const MessageType& known : kUserTypes) {
    if (known.type != type) continue;
    meaning = d->record->outcome() == OUTCOME_FAILURE ? known.failure : known.success;
  }
  if (type >= kFirstDaemon && type <= kLastDaemon) meaning = AUDIT_DAEMON;
  d->record->set_type(meaning);
  return true;
}

}  // namespace

bool DecodeMessage(Decoding* d, uint16_t type, absl::string_view text) {
  switch (type) {
    case kLogin:
      return DecodeLogin(d, text);
    case kTty:
      return DecodeTty(d, text);
    case kLandlockAccess:
      return DecodeLandlock(d, text);
    case kConfigChange:
    case kFeatureChange:
    case kMacPolicyLoad:
    case kMacStatus:
    case kMacConfigChange:
      return DecodeConfigChange(d, text);
    case kAvc:
    case kSelinuxErr:
      return DecodeMac(d, text, text);
    default:
      break;
  }
  if (type >= kFirstApparmor && type <= kLastApparmor) return DecodeMac(d, text, text);
  const bool user = (type >= kFirstUserMsg && type <= kLastDaemon) ||
                    (type >= kFirstAnomMsg && type <= kLastUserMsg2);
  return user && DecodeUser(d, type, text);
}

}  // namespace cairn::capture::audit
