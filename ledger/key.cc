#include "ledger/key.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/io.h"
#include "base/status.h"
#include "ledger/tpm.h"

namespace cairn::ledger {
namespace {

constexpr size_t kHexDigits = 64;
constexpr size_t kMaxSealedBytes = 4096;

using Pkey = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using MdCtx = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

Pkey PrivateKey(const uint8_t* seed) {
  return Pkey(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed, 32), EVP_PKEY_free);
}

const uint8_t* Bytes(absl::string_view text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// Opens a private key's file, when nobody else may read it.
absl::StatusOr<Fd> OpenPrivate(const std::string& path) {
  ASSIGN_OR_RETURN(Fd fd, OpenFile(Io::Real(), path, O_RDONLY | O_NOFOLLOW));
  struct stat st;
  if (::fstat(fd.get(), &st) != 0) return ErrnoStatus(errno, absl::StrCat("stat ", path));
  if ((st.st_mode & 077) != 0 || (st.st_uid != ::geteuid() && st.st_uid != 0)) {
    return absl::PermissionDeniedError(absl::StrCat(
        path, ": a private key that others may read (mode ",
        absl::StrFormat("%04o", st.st_mode & 07777), "); chmod 600 it, owned by who runs this"));
  }
  return fd;
}

//   open(path, O_EXCL)  write  fsync  fsync(directory)
absl::Status WriteNew(const std::string& path, absl::string_view bytes) {
  ASSIGN_OR_RETURN(const Fd fd,
                   OpenFile(Io::Real(), path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
  RETURN_IF_ERROR(WriteAll(Io::Real(), fd.get(), bytes, path));
  if (::fsync(fd.get()) != 0) return ErrnoStatus(errno, absl::StrCat("fsync ", path));
  const size_t slash = path.find_last_of('/');
  return SyncDirectory(Io::Real(), slash == std::string::npos ? "." : path.substr(0, slash + 1));
}

}  // namespace

absl::StatusOr<Secret32> LoadSecret(const std::string& path) {
  ASSIGN_OR_RETURN(const Fd fd, OpenPrivate(path));
  char text[kHexDigits + 2];
  const ssize_t n = ::pread(fd.get(), text, sizeof text, 0);
  Secret32 seed;
  bool good = n == kHexDigits || (n == kHexDigits + 1 && text[kHexDigits] == '\n');
  for (size_t i = 0; good && i < Secret32::kSize; ++i) {
    const int high = HexDigit(text[2 * i]);
    const int low = HexDigit(text[2 * i + 1]);
    good = high >= 0 && low >= 0;
    seed.data()[i] = static_cast<uint8_t>(high << 4 | low);
  }
  Wipe(text, sizeof text);
  if (!good) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": not a key file (64 lower-case hexadecimal digits and a newline)"));
  }
  return seed;
}

absl::Status SaveSecret(const Secret32& secret, const std::string& path) {
  char text[kHexDigits + 1];
  constexpr char kDigits[] = "0123456789abcdef";
  for (size_t i = 0; i < Secret32::kSize; ++i) {
    text[2 * i] = kDigits[secret.data()[i] >> 4];
    text[2 * i + 1] = kDigits[secret.data()[i] & 15];
  }
  text[kHexDigits] = '\n';
  const absl::Status status = WriteNew(path, absl::string_view(text, sizeof text));
  Wipe(text, sizeof text);
  return status;
}

SigningKey::SigningKey(Secret32 seed) : seed_(std::move(seed)) {
  const Pkey key = PrivateKey(seed_.data());
  public_key_.resize(32);
  size_t size = public_key_.size();
  if (key == nullptr ||
      EVP_PKEY_get_raw_public_key(key.get(), reinterpret_cast<uint8_t*>(public_key_.data()),
                                  &size) != 1) {
    std::abort();  // OpenSSL without Ed25519: no part of cairn can work
  }
}

SigningKey SigningKey::Generate() { return SigningKey(Secret32::Random()); }

SigningKey SigningKey::Clone() const { return SigningKey(Secret32(seed_.data())); }

SigningKey SigningKey::FromSeed(Secret32 seed) { return SigningKey(std::move(seed)); }

absl::StatusOr<SigningKey> SigningKey::Load(const std::string& path, Tpm* tpm) {
  ASSIGN_OR_RETURN(const Fd fd, OpenPrivate(path));
  char bytes[kMaxSealedBytes + 1];
  const ssize_t n = ::pread(fd.get(), bytes, sizeof bytes, 0);
  const absl::string_view sealed(bytes, n > 0 ? static_cast<size_t>(n) : 0);
  const bool plain = !absl::StartsWith(sealed, kSealedMagic);
  if (plain) Wipe(bytes, sizeof bytes);
  if (plain) {
    ASSIGN_OR_RETURN(Secret32 seed, LoadSecret(path));
    return SigningKey(std::move(seed));
  }
  if (tpm == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": sealed to a TPM; keys.tpm of agent.yaml must name it"));
  }
  absl::StatusOr<Secret32> seed = tpm->Unseal(sealed);
  if (!seed.ok()) return Annotate(seed.status(), path);
  return SigningKey(*std::move(seed));
}

absl::Status SigningKey::Save(const std::string& path, Tpm* tpm) const {
  if (tpm == nullptr) return SaveSecret(seed_, path);
  ASSIGN_OR_RETURN(const std::string sealed, tpm->Seal(seed_));
  return WriteNew(path, sealed);
}

std::string SigningKey::Sign(absl::string_view message) const {
  const Pkey key = PrivateKey(seed_.data());
  const MdCtx context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  std::string signature(64, '\0');
  size_t size = signature.size();
  if (EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) != 1 ||
      EVP_DigestSign(context.get(), reinterpret_cast<uint8_t*>(signature.data()), &size,
                     Bytes(message), message.size()) != 1) {
    std::abort();  // only out of memory can bring this about
  }
  return signature;
}

bool VerifySignature(absl::string_view public_key, absl::string_view message,
                     absl::string_view signature) {
  if (public_key.size() != 32 || signature.size() != 64) return false;
  const Pkey key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, Bytes(public_key), 32),
                 EVP_PKEY_free);
  const MdCtx context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  return key != nullptr && context != nullptr &&
         EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
         EVP_DigestVerify(context.get(), Bytes(signature), signature.size(), Bytes(message),
                          message.size()) == 1;
}

}  // namespace cairn::ledger
