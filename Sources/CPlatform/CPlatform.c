#define _GNU_SOURCE
#include "CPlatform.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

int parley_accept(int listener) {
    return accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static struct timespec timespec_of(int64_t nanoseconds) {
    return (struct timespec){.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000};
}

int parley_epoll_wait(int poller, struct epoll_event *events, int capacity, int64_t nanoseconds) {
    static atomic_bool coarse = false;
    if (nanoseconds < 0) return epoll_wait(poller, events, capacity, -1);
    if (nanoseconds == 0) return epoll_wait(poller, events, capacity, 0);
    if (!atomic_load_explicit(&coarse, memory_order_relaxed)) {
        struct timespec timeout = timespec_of(nanoseconds);
        int count = epoll_pwait2(poller, events, capacity, &timeout, NULL);
        if (count >= 0 || (errno != ENOSYS && errno != EPERM)) return count;
        atomic_store_explicit(&coarse, true, memory_order_relaxed);
    }
    int64_t milliseconds = nanoseconds / 1000000 + (nanoseconds % 1000000 != 0);
    return epoll_wait(poller, events, capacity, milliseconds > 86400000 ? 86400000 : (int)milliseconds);
}

int parley_wait_readable(int descriptor, int64_t nanoseconds) {
    struct pollfd wanted = {.fd = descriptor, .events = POLLIN};
    if (nanoseconds < 0) return ppoll(&wanted, 1, NULL, NULL);
    struct timespec timeout = timespec_of(nanoseconds);
    return ppoll(&wanted, 1, &timeout, NULL);
}

int parley_random(void *buffer, size_t count) {
    unsigned char *place = buffer;
    while (count > 0) {
        ssize_t got = getrandom(place, count, 0);
        if (got < 0) {
            if (errno == EINTR) continue;
            return -1;
        }
        place += got;
        count -= (size_t)got;
    }
    return 0;
}

int parley_signal_descriptor(const int *signals, int count) {
    sigset_t set;
    sigemptyset(&set);
    for (int i = 0; i < count; i++) sigaddset(&set, signals[i]);
    int failure = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (failure != 0) {
        errno = failure;
        return -1;
    }
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

int parley_next_signal(int descriptor) {
    struct signalfd_siginfo info;
    ssize_t got = read(descriptor, &info, sizeof info);
    if (got == (ssize_t)sizeof info) return (int)info.ssi_signo;
    if (got < 0 && errno == EAGAIN) return 0;
    return -1;
}

void parley_ignore_broken_pipes(void) { signal(SIGPIPE, SIG_IGN); }

struct start {
    void (*entry)(void *);
    void *context;
    char name[16];
};

static void *run(void *argument) {
    struct start start = *(struct start *)argument;
    free(argument);
    pthread_setname_np(pthread_self(), start.name);
    start.entry(start.context);
    return NULL;
}

int parley_start_thread(uintptr_t *thread, const char *name, void (*entry)(void *), void *context) {
    struct start *start = calloc(1, sizeof *start);
    if (start == NULL) return ENOMEM;
    start->entry = entry;
    start->context = context;
    strncpy(start->name, name, sizeof start->name - 1);
    sigset_t all, before;
    sigfillset(&all);
    // Signals that the thread's own faults raise must keep their effect.
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGILL);
    sigdelset(&all, SIGFPE);
    sigdelset(&all, SIGTRAP);
    sigdelset(&all, SIGABRT);
    pthread_t created;
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = pthread_create(&created, NULL, run, start);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure != 0) {
        free(start);
        return failure;
    }
    *thread = (uintptr_t)created;
    return 0;
}

int parley_join_thread(uintptr_t thread) { return pthread_join((pthread_t)thread, NULL); }

int parley_detach_thread(uintptr_t thread) { return pthread_detach((pthread_t)thread); }

int parley_set_nice(int value) { return setpriority(PRIO_PROCESS, (id_t)gettid(), value); }

void parley_thread_name(char *buffer, size_t capacity) {
    if (pthread_getname_np(pthread_self(), buffer, capacity) != 0 && capacity > 0) buffer[0] = 0;
}

int parley_allocate(int descriptor, int64_t offset, int64_t length) {
    return fallocate(descriptor, 0, offset, length);
}

int64_t parley_thread_cpu_time(void) {
    struct timespec time;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) != 0) return 0;
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

int64_t parley_clock_error(void) {
    struct timex state = {0};
    int answer = adjtimex(&state);
    if (answer == -1 || answer == TIME_ERROR || (state.status & STA_UNSYNC)) return -1;
    return state.maxerror;
}

enum { most_datagrams = 64 };

int parley_receive_datagrams(int socket, unsigned char *buffer, size_t room, int capacity, uint32_t *lengths) {
    struct mmsghdr messages[most_datagrams];
    struct iovec parts[most_datagrams];
    if (capacity > most_datagrams) capacity = most_datagrams;
    memset(messages, 0, sizeof messages[0] * (size_t)capacity);
    for (int i = 0; i < capacity; i++) {
        parts[i] = (struct iovec){.iov_base = buffer + room * (size_t)i, .iov_len = room};
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    int count = recvmmsg(socket, messages, (unsigned)capacity, MSG_DONTWAIT | MSG_TRUNC, NULL);
    for (int i = 0; i < count; i++) lengths[i] = messages[i].msg_len;
    return count;
}

int parley_send_datagrams(int socket, const unsigned char *bytes, const uint32_t *lengths,
                          const void *receivers, const uint32_t *receiver_lengths, int count) {
    const struct sockaddr_storage *addresses = receivers;
    struct mmsghdr messages[most_datagrams];
    struct iovec parts[most_datagrams];
    if (count > most_datagrams) count = most_datagrams;
    memset(messages, 0, sizeof messages[0] * (size_t)count);
    for (int i = 0; i < count; i++) {
        parts[i] = (struct iovec){.iov_base = (void *)bytes, .iov_len = lengths[i]};
        messages[i].msg_hdr.msg_name = (void *)&addresses[i];
        messages[i].msg_hdr.msg_namelen = receiver_lengths[i];
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
        bytes += lengths[i];
    }
    return sendmmsg(socket, messages, (unsigned)count, MSG_DONTWAIT);
}
