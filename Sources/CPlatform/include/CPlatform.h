// What Linux offers and `import Glibc` does not show to Swift.
//
// The header must not define _GNU_SOURCE: it would change `fd_set` under the toolchain's own Glibc module.
// Whatever needs it is a function in CPlatform.c.
#ifndef PARLEY_CPLATFORM_H
#define PARLEY_CPLATFORM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/types.h>

/// accept4(2) without the peer's address; the new socket is non-blocking and closed on exec.
int parley_accept(int listener);

/// epoll_wait(2) with a timeout in nanoseconds; negative waits for ever. Falls back to whole milliseconds,
/// rounded up, where the kernel or a container's filter refuses epoll_pwait2.
int parley_epoll_wait(int poller, struct epoll_event *events, int capacity, int64_t nanoseconds);

/// poll(2) for readability of one descriptor; negative waits for ever.
int parley_wait_readable(int descriptor, int64_t nanoseconds);

/// getrandom(2) until the buffer is full: 0, or -1 with errno.
int parley_random(void *buffer, size_t count);

/// Blocks the signals in the calling thread and makes a signalfd for them.
int parley_signal_descriptor(const int *signals, int count);

/// The next pending signal of a signalfd, 0 if there is none, or -1 with errno.
int parley_next_signal(int descriptor);

/// Ignores SIGPIPE for the whole process.
void parley_ignore_broken_pipes(void);

/// pthread_create with every signal blocked in the new thread, which gets the name (15 bytes at most count).
/// 0, or an errno value.
int parley_start_thread(uintptr_t *thread, const char *name, void (*entry)(void *), void *context);
int parley_join_thread(uintptr_t thread);
int parley_detach_thread(uintptr_t thread);

/// Sets the nice value of the calling thread alone.
int parley_set_nice(int value);

/// The name of the calling thread.
void parley_thread_name(char *buffer, size_t capacity);

/// fallocate(2) with mode 0.
int parley_allocate(int descriptor, int64_t offset, int64_t length);

/// Processor time that the calling thread has used, in nanoseconds.
int64_t parley_thread_cpu_time(void);

/// How far CLOCK_REALTIME can be from true time in microseconds, as adjtimex(2) knows it from whoever disciplines the
/// clock; -1 if nobody does, or the kernel does not say.
int64_t parley_clock_error(void);

/// recvmmsg(2) of up to 64 datagrams, each into `room` bytes of the buffer; `lengths` are the true ones, which may be
/// more. How many came, or -1 with errno.
int parley_receive_datagrams(int socket, unsigned char *buffer, size_t room, int capacity, uint32_t *lengths);

/// sendmmsg(2) of up to 64 datagrams that lie one behind the other; each receiver is a sockaddr_storage. How many the
/// kernel took, or -1 with errno.
int parley_send_datagrams(int socket, const unsigned char *bytes, const uint32_t *lengths,
                          const void *receivers, const uint32_t *receiver_lengths, int count);

#endif
