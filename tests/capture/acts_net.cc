#include <arpa/inet.h>
#include <net/if.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/capture/acts.h"

namespace cairn::acts {
namespace {

sockaddr_in Loopback(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

long ConnectTcp() {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = Loopback(0);
  socklen_t length = sizeof(address);
  (void)!bind(listener, reinterpret_cast<sockaddr*>(&address), length);
  (void)!listen(listener, 1);
  (void)!getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length);
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  return Result(connect(fd, reinterpret_cast<sockaddr*>(&address), length));
}
long ConnectRefused() {
  const sockaddr_in address = Loopback(1);
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  return Result(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)));
}
long ConnectUdp6() {
  sockaddr_in6 address = {};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(4242);
  address.sin6_addr = in6addr_loopback;
  const int fd = socket(AF_INET6, SOCK_DGRAM, 0);
  return Result(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)));
}
long BindTcp() {
  const sockaddr_in address = Loopback(42731);
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  return Result(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)));
}
long BindAbstract() {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path, "\0cairn-acts", 11);
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  return Result(
      bind(fd, reinterpret_cast<sockaddr*>(&address), offsetof(sockaddr_un, sun_path) + 11));
}
long ConnectNoSocket() {
  const sockaddr_in address = Loopback(4242);
  return Result(connect(0, reinterpret_cast<const sockaddr*>(&address), sizeof(address)));
}
long BindRefused() {  // no such address of ours
  sockaddr_in address = Loopback(42732);
  address.sin_addr.s_addr = htonl(0xc0000201);
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  return Result(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)));
}
long ConnectUnix() {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  strcpy(address.sun_path, "sock");
  const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  (void)!bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address));
  (void)!listen(listener, 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  return Result(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)));
}
long RawSocket() { return Result(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)); }
long Socket() { return Result(socket(AF_INET6, SOCK_DGRAM, 0)); }
long PacketSocket() { return Result(socket(AF_PACKET, SOCK_DGRAM, 0)); }
long SocketRefused() { return Result(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP)); }
long ListenRefused() { return Result(listen(socket(AF_INET, SOCK_DGRAM, 0), 5)); }
long AcceptRefused() {
  return Result(accept4(socket(AF_INET, SOCK_STREAM, 0), nullptr, nullptr, 0));
}
long Listen() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  return Result(listen(fd, 5));
}
long Accept() {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = Loopback(0);
  socklen_t length = sizeof(address);
  (void)!bind(listener, reinterpret_cast<sockaddr*>(&address), length);
  (void)!listen(listener, 1);
  (void)!getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length);
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  (void)!connect(fd, reinterpret_cast<sockaddr*>(&address), length);
  return Result(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
}
long Dns() {
  const char query[] = "\x12\x34\x01\0\0\1\0\0\0\0\0\0\5cairn\4test\0\0\1\0\1";
  const sockaddr_in address = Loopback(53);
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  return Result(sendto(fd, query, sizeof(query) - 1, 0, reinterpret_cast<const sockaddr*>(&address),
                       sizeof(address)));
}
// Asks and answers itself, in a network of its own, where nobody else has port 53.
long DnsAnswer() {
  if (unshare(CLONE_NEWNET) != 0) return Result(-1);
  ifreq up = {};
  strcpy(up.ifr_name, "lo");
  up.ifr_flags = IFF_UP;
  if (ioctl(socket(AF_INET, SOCK_DGRAM, 0), SIOCSIFFLAGS, &up) != 0) return Result(-1);
  const int server = socket(AF_INET, SOCK_DGRAM, 0), client = socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in address = Loopback(53);
  socklen_t length = sizeof(address);
  (void)!bind(server, reinterpret_cast<const sockaddr*>(&address), length);
  char text[] = "\x12\x34\x01\0\0\1\0\0\0\0\0\0\6answer\4test\0\0\x1c\0\1";
  (void)!sendto(client, text, sizeof(text) - 1, 0, reinterpret_cast<const sockaddr*>(&address),
                length);
  char question[64];
  const ssize_t size = recvfrom(server, question, sizeof(question), 0,
                                reinterpret_cast<sockaddr*>(&address), &length);
  question[2] |= '\x80';  // an answer
  (void)!sendto(server, question, static_cast<size_t>(size), 0,
                reinterpret_cast<const sockaddr*>(&address), length);
  return Result(recv(client, question, sizeof(question), 0));
}

}  // namespace

void AddNetActs(std::map<std::string, Act>* acts) {
  const std::map<std::string, Act> more = {
      {"connect-tcp", ConnectTcp},
      {"connect-refused", ConnectRefused},
      {"connect-udp6", ConnectUdp6},
      {"connect-no-socket", ConnectNoSocket},
      {"connect-unix", ConnectUnix},
      {"bind-tcp", BindTcp},
      {"bind-refused", BindRefused},
      {"bind-abstract", BindAbstract},
      {"raw-socket", RawSocket},
      {"packet-socket", PacketSocket},
      {"socket", Socket},
      {"socket-refused", SocketRefused},
      {"listen", Listen},
      {"listen-refused", ListenRefused},
      {"accept", Accept},
      {"accept-refused", AcceptRefused},
      {"dns", Dns},
      {"dns-answer", DnsAnswer},
  };
  acts->insert(more.begin(), more.end());
}

}  // namespace cairn::acts
