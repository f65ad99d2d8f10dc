/* vsock_echo call PORT: connects to that port of the host, and gives back all that comes.
   vsock_echo answer PORT: does the same for whoever connects. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h> /* needs sys/socket.h */

static int failed(char const* what) {
  perror(what);
  return 1;
}

int main(int count, char** words) {
  if (count != 3) return 2;
  int calls = strcmp(words[1], "call") == 0;
  int stream = socket(AF_VSOCK, SOCK_STREAM, 0);
  struct sockaddr_vm address = {.svm_family = AF_VSOCK,
                                .svm_cid = calls ? VMADDR_CID_HOST : VMADDR_CID_ANY,
                                .svm_port = (unsigned)atoi(words[2])};
  if (stream < 0) return failed("socket");
  if (calls) {
    if (connect(stream, (struct sockaddr*)&address, sizeof address) != 0) return failed("connect");
  } else {
    if (bind(stream, (struct sockaddr*)&address, sizeof address) != 0) return failed("bind");
    if (listen(stream, 1) != 0) return failed("listen");
    puts("listening");
    stream = accept(stream, 0, 0);
    if (stream < 0) return failed("accept");
  }
  static char bytes[65536];
  for (ssize_t got; (got = read(stream, bytes, sizeof bytes)) > 0;)
    for (ssize_t at = 0; at < got;) {
      ssize_t put = write(stream, bytes + at, (size_t)(got - at));
      if (put <= 0) return failed("write");
      at += put;
    }
  return 0;
}
