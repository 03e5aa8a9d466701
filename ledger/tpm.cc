#include "ledger/tpm.h"

#include <tss2/tss2_esys.h>
#include <tss2/tss2_mu.h>
#include <tss2/tss2_rc.h>
#include <tss2/tss2_tctildr.h>

#include <cstring>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace cairn::ledger {
namespace {

// In the range that belongs to the platform's owner (TCG registry of reserved handles).
constexpr TPM2_HANDLE kCounterIndex = 0x0180ca17;

absl::Status TpmStatus(TSS2_RC code, absl::string_view what) {
  return absl::UnavailableError(absl::StrCat(what, ": ", ::Tss2_RC_Decode(code)));
}

// A restricted ECC storage key: the same template gives the same key each time.
TPM2B_PUBLIC PrimaryTemplate() {
  TPM2B_PUBLIC out = {};
  TPMT_PUBLIC& area = out.publicArea;
  area.type = TPM2_ALG_ECC;
  area.nameAlg = TPM2_ALG_SHA256;
  area.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                          TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH |
                          TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT;
  TPMS_ECC_PARMS& parameters = area.parameters.eccDetail;
  parameters.symmetric.algorithm = TPM2_ALG_AES;
  parameters.symmetric.keyBits.aes = 128;
  parameters.symmetric.mode.aes = TPM2_ALG_CFB;
  parameters.scheme.scheme = TPM2_ALG_NULL;
  parameters.curveID = TPM2_ECC_NIST_P256;
  parameters.kdf.scheme = TPM2_ALG_NULL;
  return out;
}

TPM2B_PUBLIC SealedTemplate() {
  TPM2B_PUBLIC out = {};
  TPMT_PUBLIC& area = out.publicArea;
  area.type = TPM2_ALG_KEYEDHASH;
  area.nameAlg = TPM2_ALG_SHA256;
  area.objectAttributes =
      TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA;
  area.parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL;
  return out;
}

TPM2B_NV_PUBLIC CounterTemplate() {
  TPM2B_NV_PUBLIC out = {};
  out.nvPublic.nvIndex = kCounterIndex;
  out.nvPublic.nameAlg = TPM2_ALG_SHA256;
  out.nvPublic.attributes = (TPM2_NT_COUNTER << TPMA_NV_TPM2_NT_SHIFT) | TPMA_NV_OWNERWRITE |
                            TPMA_NV_OWNERREAD | TPMA_NV_AUTHREAD | TPMA_NV_AUTHWRITE |
                            TPMA_NV_NO_DA;
  out.nvPublic.dataSize = 8;
  return out;
}

template <typename T>
struct EsysFree {
  void operator()(T* memory) const { ::Esys_Free(memory); }
};
template <typename T>
using EsysPtr = std::unique_ptr<T, EsysFree<T>>;

}  // namespace

class Tpm::Impl {
 public:
  ~Impl() {
    ::Esys_Finalize(&esys_);
    ::Tss2_TctiLdr_Finalize(&tcti_);
  }

  absl::Status Open(const std::string& tcti);
  absl::StatusOr<std::string> Seal(const Secret32& secret);
  absl::StatusOr<Secret32> Unseal(absl::string_view sealed);
  absl::StatusOr<uint64_t> ReadCounter();
  absl::StatusOr<uint64_t> RaiseCounter();

 private:
  // A loaded object; flushed when it goes.
  class Object {
   public:
    Object(ESYS_CONTEXT* esys, ESYS_TR handle) : esys_(esys), handle_(handle) {}
    ~Object() { ::Esys_FlushContext(esys_, handle_); }
    Object(const Object&) = delete;
    Object& operator=(const Object&) = delete;
    ESYS_TR handle() const { return handle_; }

   private:
    ESYS_CONTEXT* const esys_;
    const ESYS_TR handle_;
  };

  absl::StatusOr<std::unique_ptr<Object>> Primary();
  // ESYS_TR_NONE when the index does not exist.
  absl::StatusOr<ESYS_TR> Counter();
  absl::StatusOr<uint64_t> Read(ESYS_TR counter);

  TSS2_TCTI_CONTEXT* tcti_ = nullptr;
  ESYS_CONTEXT* esys_ = nullptr;
};

absl::Status Tpm::Impl::Open(const std::string& tcti) {
  TSS2_RC code = ::Tss2_TctiLdr_Initialize(tcti.c_str(), &tcti_);
  if (code != TSS2_RC_SUCCESS) return TpmStatus(code, absl::StrCat("open TPM ", tcti));
  code = ::Esys_Initialize(&esys_, tcti_, nullptr);
  if (code != TSS2_RC_SUCCESS) return TpmStatus(code, absl::StrCat("open TPM ", tcti));
  // A resource manager has started it already.
  code = ::Esys_Startup(esys_, TPM2_SU_CLEAR);
  if (code != TSS2_RC_SUCCESS && code != TPM2_RC_INITIALIZE) return TpmStatus(code, "start TPM");
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Tpm::Impl::Object>> Tpm::Impl::Primary() {
  const TPM2B_SENSITIVE_CREATE sensitive = {};
  const TPM2B_PUBLIC primary = PrimaryTemplate();
  const TPM2B_DATA outside = {};
  const TPML_PCR_SELECTION pcrs = {};
  ESYS_TR handle = ESYS_TR_NONE;
  const TSS2_RC code = ::Esys_CreatePrimary(esys_, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                            ESYS_TR_NONE, &sensitive, &primary, &outside, &pcrs,
                                            &handle, nullptr, nullptr, nullptr, nullptr);
  if (code != TSS2_RC_SUCCESS) return TpmStatus(code, "TPM primary key");
  return std::make_unique<Object>(esys_, handle);
}

absl::StatusOr<std::string> Tpm::Impl::Seal(const Secret32& secret) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Object> primary, Primary());
  TPM2B_SENSITIVE_CREATE sensitive = {};
  sensitive.sensitive.data.size = Secret32::kSize;
  std::memcpy(sensitive.sensitive.data.buffer, secret.data(), Secret32::kSize);
  const TPM2B_PUBLIC sealed = SealedTemplate();
  const TPM2B_DATA outside = {};
  const TPML_PCR_SELECTION pcrs = {};
  TPM2B_PRIVATE* out_private = nullptr;
  TPM2B_PUBLIC* out_public = nullptr;
  const TSS2_RC code = ::Esys_Create(esys_, primary->handle(), ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                     ESYS_TR_NONE, &sensitive, &sealed, &outside, &pcrs,
                                     &out_private, &out_public, nullptr, nullptr, nullptr);
  Wipe(&sensitive, sizeof sensitive);
  const EsysPtr<TPM2B_PRIVATE> free_private(out_private);
  const EsysPtr<TPM2B_PUBLIC> free_public(out_public);
  if (code != TSS2_RC_SUCCESS) return TpmStatus(code, "seal to the TPM");
  uint8_t bytes[sizeof(TPM2B_PUBLIC) + sizeof(TPM2B_PRIVATE)];
  size_t size = 0;
  if (::Tss2_MU_TPM2B_PUBLIC_Marshal(out_public, bytes, sizeof bytes, &size) != TSS2_RC_SUCCESS ||
      ::Tss2_MU_TPM2B_PRIVATE_Marshal(out_private, bytes, sizeof bytes, &size) != TSS2_RC_SUCCESS) {
    return absl::InternalError("the TPM's sealed object cannot be written");
  }
  return absl::StrCat(kSealedMagic, absl::string_view(reinterpret_cast<const char*>(bytes), size));
}

absl::StatusOr<Secret32> Tpm::Impl::Unseal(absl::string_view sealed) {
  const absl::string_view magic(kSealedMagic);
  TPM2B_PUBLIC in_public = {};
  TPM2B_PRIVATE in_private = {};
  size_t at = magic.size();
  const auto* bytes = reinterpret_cast<const uint8_t*>(sealed.data());
  if (sealed.substr(0, magic.size()) != magic ||
      ::Tss2_MU_TPM2B_PUBLIC_Unmarshal(bytes, sealed.size(), &at, &in_public) != TSS2_RC_SUCCESS ||
      ::Tss2_MU_TPM2B_PRIVATE_Unmarshal(bytes, sealed.size(), &at, &in_private) !=
          TSS2_RC_SUCCESS ||
      at != sealed.size()) {
    return absl::InvalidArgumentError("not a secret that was sealed to a TPM");
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<Object> primary, Primary());
  ESYS_TR handle = ESYS_TR_NONE;
  TSS2_RC code = ::Esys_Load(esys_, primary->handle(), ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                             &in_private, &in_public, &handle);
  if (code != TSS2_RC_SUCCESS) return TpmStatus(code, "open a key that this TPM did not seal");
  const Object object(esys_, handle);
  TPM2B_SENSITIVE_DATA* data = nullptr;
  code = ::Esys_Unseal(esys_, handle, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &data);
  const EsysPtr<TPM2B_SENSITIVE_DATA> free_data(data);
  if (code != TSS2_RC_SUCCESS) return TpmStatus(code, "unseal");
  if (data->size != Secret32::kSize) return absl::InvalidArgumentError("not a log key");
  Secret32 secret(data->buffer);
  Wipe(data, sizeof *data);
  return secret;
}

absl::StatusOr<ESYS_TR> Tpm::Impl::Counter() {
  ESYS_TR counter = ESYS_TR_NONE;
  const TSS2_RC code = ::Esys_TR_FromTPMPublic(esys_, kCounterIndex, ESYS_TR_NONE, ESYS_TR_NONE,
                                               ESYS_TR_NONE, &counter);
  if (code == TSS2_RC_SUCCESS) return counter;
  if ((code & ~(TPM2_RC_P | TPM2_RC_N_MASK)) == TPM2_RC_HANDLE) return ESYS_TR_NONE;
  return TpmStatus(code, "TPM counter");
}

absl::StatusOr<uint64_t> Tpm::Impl::Read(ESYS_TR counter) {
  TPM2B_MAX_NV_BUFFER* data = nullptr;
  const TSS2_RC code = ::Esys_NV_Read(esys_, ESYS_TR_RH_OWNER, counter, ESYS_TR_PASSWORD,
                                      ESYS_TR_NONE, ESYS_TR_NONE, 8, 0, &data);
  const EsysPtr<TPM2B_MAX_NV_BUFFER> free_data(data);
  if (code != TSS2_RC_SUCCESS) return TpmStatus(code, "read the TPM counter");
  if (data->size != 8) return absl::UnavailableError("the TPM counter is not of 8 bytes");
  uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8 | data->buffer[i];
  return value;
}

absl::StatusOr<uint64_t> Tpm::Impl::ReadCounter() {
  ASSIGN_OR_RETURN(const ESYS_TR counter, Counter());
  if (counter == ESYS_TR_NONE) return 0;
  return Read(counter);
}

absl::StatusOr<uint64_t> Tpm::Impl::RaiseCounter() {
  ASSIGN_OR_RETURN(ESYS_TR counter, Counter());
  if (counter == ESYS_TR_NONE) {
    const TPM2B_AUTH nothing = {};
    const TPM2B_NV_PUBLIC index = CounterTemplate();
    const TSS2_RC code =
        ::Esys_NV_DefineSpace(esys_, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                              &nothing, &index, &counter);
    if (code != TSS2_RC_SUCCESS) return TpmStatus(code, "make the TPM counter");
  }
  const TSS2_RC code = ::Esys_NV_Increment(esys_, ESYS_TR_RH_OWNER, counter, ESYS_TR_PASSWORD,
                                           ESYS_TR_NONE, ESYS_TR_NONE);
  if (code != TSS2_RC_SUCCESS) return TpmStatus(code, "raise the TPM counter");
  return Read(counter);
}

Tpm::Tpm(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tpm::~Tpm() = default;

absl::StatusOr<std::unique_ptr<Tpm>> Tpm::Open(const std::string& tcti) {
  auto impl = std::make_unique<Impl>();
  RETURN_IF_ERROR(impl->Open(tcti));
  return absl::WrapUnique(new Tpm(std::move(impl)));
}

absl::StatusOr<std::string> Tpm::Seal(const Secret32& secret) { return impl_->Seal(secret); }
absl::StatusOr<Secret32> Tpm::Unseal(absl::string_view sealed) { return impl_->Unseal(sealed); }
absl::StatusOr<uint64_t> Tpm::ReadCounter() { return impl_->ReadCounter(); }
absl::StatusOr<uint64_t> Tpm::RaiseCounter() { return impl_->RaiseCounter(); }

}  // namespace cairn::ledger
