/* The workload of the test images: opens what its arguments say, in their order, then sleeps.
 *
 *   tcp:ADDR:PORT               a TCP socket in LISTEN
 *   udp:ADDR:PORT               a bound UDP socket
 *   sctp:ADDR:PORT              an SCTP endpoint in LISTEN, where the kernel has SCTP
 *   tcp6only:[::]:PORT          IPv6 only, udp6only too; all others on [::] are dual-stack
 *   bound:tcp:ADDR:PORT         bound, not listening
 *   device:NAME:tcp:ADDR:PORT   bound to a network interface (SO_BINDTODEVICE)
 *   reuseport:tcp:ADDR:PORT:N   N sockets on one port (SO_REUSEPORT)
 *   udpclient:ADDR:PORT         an unbound UDP socket that sent a datagram there
 *   udpconnected:ADDR:PORT      a UDP socket connected there
 *   connections:PORT:N          N established connections to a listener on 127.0.0.1:PORT
 *   prefork:N                   N children that hold everything opened so far
 *   delay:SECONDS               a pause before the words that follow
 *   ready                       the line "ready" on standard output
 *   exit:CODE                   the end
 *   thread                      a thread does the words that follow; the first thread ends
 *   worker                      a thread with descriptors of its own does the words that follow
 *   name:TEXT                   the name of the thread at work (15 bytes, any but 0)
 *   give:PATH                   a unix socket there; the socket opened last goes to the first who
 *                               connects, and is closed here
 *   take:PATH                   what is given there, kept
 *
 * ADDR is 127.0.0.1 or [::1]; the PORT of a listener may be a range, 7000-7003, or 0 for one that
 * the kernel chooses. Where a word can't be done, the word and the reason go to standard error and
 * the exit status is 3. SIGTERM ends the program at once, also as process 1 of a container. No
 * word: it only sleeps.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static const char *word; /* the argument at work, for messages */
static int last = -1;    /* the socket opened last */

struct endpoint {
    struct sockaddr_storage address;
    socklen_t length;
    int first, last; /* ports */
    int count;       /* after them, 1 where there is none */
};

struct options {
    bool bound_only, v6only, reuseport;
    const char *device;
};

static _Noreturn void fail(void) {
    fprintf(stderr, "listener: %s: %s\n", word, strerror(errno));
    exit(3);
}

static _Noreturn void refuse(void) {
    errno = EINVAL;
    fail();
}

static int check(int result) {
    if (result < 0)
        fail();
    return result;
}

/* What follows `name:` in the text, or NULL. */
static const char *after(const char *text, const char *name) {
    size_t length = strlen(name);
    return strncmp(text, name, length) == 0 && text[length] == ':' ? text + length + 1 : NULL;
}

/* The whole of a text as a number. */
static int number(const char *text, int least, int most) {
    char *end;
    long value = strtol(text, &end, 10);
    if (end == text || *end != '\0' || value < least || value > most)
        refuse();
    return (int)value;
}

static void set_port(struct endpoint *endpoint, int port) {
    /* sin_port and sin6_port are at the same place, see struct sockaddr_in6 in ipv6(7) */
    ((struct sockaddr_in *)&endpoint->address)->sin_port = htons((uint16_t)port);
}

/* ADDR:PORT, ADDR:PORT-PORT or either with :N */
static struct endpoint parse(const char *text) {
    struct endpoint result = {.count = 1};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&result.address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&result.address;
    bool is_v6 = *text == '[';
    char address[INET6_ADDRSTRLEN] = "";
    int end = 0, more = 0;
    if (sscanf(text, is_v6 ? "[%45[^]]]:%d%n" : "%45[^:]:%d%n", address, &result.first, &end) != 2)
        refuse();
    result.address.ss_family = is_v6 ? AF_INET6 : AF_INET;
    result.length = is_v6 ? sizeof *v6 : sizeof *v4;
    void *bytes = is_v6 ? (void *)&v6->sin6_addr : (void *)&v4->sin_addr;
    if (inet_pton(result.address.ss_family, address, bytes) != 1)
        refuse();
    text += end;
    result.last = result.first;
    if (sscanf(text, "-%d%n", &result.last, &more) == 1)
        text += more;
    if (*text == ':')
        result.count = number(text + 1, 1, 1000);
    else if (*text != '\0')
        refuse();
    if (result.first < 0 || result.last > 65535 || result.first > result.last)
        refuse();
    set_port(&result, result.first);
    return result;
}

static int open_socket(const struct endpoint *endpoint, int type, int protocol) {
    return check(socket(endpoint->address.ss_family, type, protocol));
}

static void option(int fd, int level, int name, int value) {
    check(setsockopt(fd, level, name, &value, sizeof value));
}

static int serve_one(const struct endpoint *endpoint, int type, int protocol, struct options how) {
    int fd = open_socket(endpoint, type, protocol);
    if (endpoint->address.ss_family == AF_INET6) /* the default is net.ipv6.bindv6only's */
        option(fd, IPPROTO_IPV6, IPV6_V6ONLY, how.v6only);
    else if (how.v6only)
        refuse();
    if (how.reuseport)
        option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (how.device)
        check(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, how.device, IFNAMSIZ));
    check(bind(fd, (const struct sockaddr *)&endpoint->address, endpoint->length));
    if (type == SOCK_STREAM && !how.bound_only)
        check(listen(fd, SOMAXCONN));
    return last = fd;
}

/* PROTOCOL:ADDR:PORT */
static void serve(const char *text, struct options how) {
    const struct {
        const char *name;
        int type, number;
        bool v6only;
    } protocols[] = {
        {"tcp", SOCK_STREAM, IPPROTO_TCP, false},
        {"tcp6only", SOCK_STREAM, IPPROTO_TCP, true},
        {"udp", SOCK_DGRAM, IPPROTO_UDP, false},
        {"udp6only", SOCK_DGRAM, IPPROTO_UDP, true},
        {"sctp", SOCK_STREAM, IPPROTO_SCTP, false},
    }, *protocol = protocols, *end = protocols + sizeof protocols / sizeof *protocols;
    const char *rest = NULL;
    while (protocol < end && !(rest = after(text, protocol->name)))
        protocol++;
    if (!rest)
        refuse();
    how.v6only = protocol->v6only;
    struct endpoint endpoint = parse(rest);
    if (endpoint.count > 1 && !how.reuseport)
        refuse();
    for (int port = endpoint.first; port <= endpoint.last; port++) {
        set_port(&endpoint, port);
        for (int i = 0; i < endpoint.count; i++)
            serve_one(&endpoint, protocol->type, protocol->number, how);
    }
}

static void serve_on_device(const char *text) {
    char device[IFNAMSIZ] = "";
    int end = 0;
    if (sscanf(text, "%15[^:]:%n", device, &end) != 1 || end == 0)
        refuse();
    serve(text + end, (struct options){.device = device});
}

static void udp_client(const char *text, bool connected) {
    struct endpoint to = parse(text);
    int fd = open_socket(&to, SOCK_DGRAM, IPPROTO_UDP);
    const struct sockaddr *address = (const struct sockaddr *)&to.address;
    if (connected)
        check(connect(fd, address, to.length));
    else
        check((int)sendto(fd, "", 1, 0, address, to.length));
}

static _Noreturn void sleep_for_ever(void) {
    for (;;)
        pause();
}

/* Like fork, and the child ends with its parent also outside a container. */
static pid_t fork_child(void) {
    pid_t pid = check(fork());
    if (pid == 0)
        check(prctl(PR_SET_PDEATHSIG, SIGTERM));
    return pid;
}

static void prefork(int children) {
    while (children-- > 0)
        if (fork_child() == 0)
            sleep_for_ever();
}

/* PORT:N. Both ends stay open: two descriptors each, in as many processes as that takes. */
static void open_connections(const char *text) {
    char spec[64];
    snprintf(spec, sizeof spec, "127.0.0.1:%s", text);
    char *last = strrchr(spec, ':');
    int left = number(last + 1, 1, 1000000);
    *last = '\0';
    struct endpoint endpoint = parse(spec);
    struct sockaddr_in from = {.sin_family = AF_INET};
    int listener = serve_one(&endpoint, SOCK_STREAM, IPPROTO_TCP, (struct options){0});
    struct rlimit limit;
    check(getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = limit.rlim_max;
    check(setrlimit(RLIMIT_NOFILE, &limit));
    rlim_t room = limit.rlim_max / 4; /* half of its descriptors are enough for a process */
    int most = room < (rlim_t)left ? (int)room + 1 : left;

    for (; left > 0; left -= most) {
        /* One child after the other, so that each accepts the connections it opened. */
        int done[2];
        char byte;
        check(pipe(done));
        if (fork_child() == 0) {
            for (int i = 0; i < left && i < most; i++) {
                int fd = open_socket(&endpoint, SOCK_STREAM, IPPROTO_TCP);
                /* An address of its own for each 10,000: free ports to one are slow to find. */
                from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (uint32_t)(left - i) / 10000);
                option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
                check(bind(fd, (struct sockaddr *)&from, sizeof from));
                check(connect(fd, (struct sockaddr *)&endpoint.address, endpoint.length));
                check(accept(listener, NULL, NULL));
            }
            check((int)write(done[1], "", 1));
            sleep_for_ever();
        }
        close(done[1]);
        if (read(done[0], &byte, 1) != 1)
            exit(3); /* the child has said why */
        close(done[0]);
    }
}

static void pause_for(const char *text) {
    char *end;
    double seconds = strtod(text, &end);
    if (end == text || *end != '\0' || !(seconds >= 0 && seconds < 1e6))
        refuse();
    struct timespec left = {.tv_sec = (time_t)seconds};
    left.tv_nsec = (long)((seconds - (double)left.tv_sec) * 1e9);
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}

static struct sockaddr_un path(const char *text) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(text) >= sizeof address.sun_path)
        refuse();
    strcpy(address.sun_path, text);
    return address;
}

/* A message that carries a descriptor (SCM_RIGHTS, unix(7)), and room for one. */
struct parcel {
    char byte;
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec content;
    struct msghdr message;
};

static void wrap(struct parcel *parcel) {
    *parcel = (struct parcel){.content = {.iov_base = &parcel->byte, .iov_len = 1}};
    parcel->message = (struct msghdr){
        .msg_iov = &parcel->content,
        .msg_iovlen = 1,
        .msg_control = &parcel->control,
        .msg_controllen = sizeof parcel->control,
    };
}

static void give(const char *text) {
    struct sockaddr_un address = path(text);
    int fd = check(socket(AF_UNIX, SOCK_STREAM, 0));
    check(bind(fd, (struct sockaddr *)&address, sizeof address));
    check(listen(fd, 1));
    int to = check(accept(fd, NULL, NULL));
    struct parcel parcel;
    wrap(&parcel);
    struct cmsghdr *header = CMSG_FIRSTHDR(&parcel.message);
    *header = (struct cmsghdr){
        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof last)};
    memcpy(CMSG_DATA(header), &last, sizeof last);
    check((int)sendmsg(to, &parcel.message, 0));
    check(read(to, &parcel.byte, 1) == 1 ? 0 : -1); /* it is taken */
    close(last);
    close(to);
    close(fd);
}

static void take(const char *text) {
    struct sockaddr_un address = path(text);
    int from = check(socket(AF_UNIX, SOCK_STREAM, 0));
    while (connect(from, (struct sockaddr *)&address, sizeof address) != 0) {
        if (errno != ENOENT && errno != ECONNREFUSED)
            fail();
        usleep(1000);
    }
    struct parcel parcel;
    wrap(&parcel);
    check((int)recvmsg(from, &parcel.message, 0));
    check((int)write(from, "", 1));
    close(from);
}

static void run(void) {
    const char *rest;
    if (strcmp(word, "ready") == 0)
        check(puts("ready") < 0 ? -1 : fflush(stdout));
    else if ((rest = after(word, "bound")))
        serve(rest, (struct options){.bound_only = true});
    else if ((rest = after(word, "reuseport")))
        serve(rest, (struct options){.reuseport = true});
    else if ((rest = after(word, "device")))
        serve_on_device(rest);
    else if ((rest = after(word, "udpclient")))
        udp_client(rest, false);
    else if ((rest = after(word, "udpconnected")))
        udp_client(rest, true);
    else if ((rest = after(word, "connections")))
        open_connections(rest);
    else if ((rest = after(word, "prefork")))
        prefork(number(rest, 1, 1000));
    else if ((rest = after(word, "delay")))
        pause_for(rest);
    else if ((rest = after(word, "name")))
        check(prctl(PR_SET_NAME, rest));
    else if ((rest = after(word, "give")))
        give(rest);
    else if ((rest = after(word, "take")))
        take(rest);
    else if ((rest = after(word, "exit")))
        exit(number(rest, 0, 255));
    else
        serve(word, (struct options){0});
}

static void end(int signal) {
    (void)signal;
    _exit(0);
}

static _Noreturn void *run_all(void *words);

static _Noreturn void *work(void *words) {
    check(unshare(CLONE_FILES));
    run_all(words);
}

static void in_thread(void *(*function)(void *), char **words) {
    pthread_t thread;
    if ((errno = pthread_create(&thread, NULL, function, words)) != 0)
        fail();
}

static _Noreturn void *run_all(void *words) {
    for (char **next = words; *next; next++) {
        word = *next;
        if (strcmp(word, "worker") == 0) {
            in_thread(work, next + 1);
            sleep_for_ever();
        }
        if (strcmp(word, "thread") == 0) {
            in_thread(run_all, next + 1);
            pthread_exit(NULL); /* of the first thread a zombie stays, until the last one ends */
        }
        run();
    }
    sleep_for_ever();
}

int main(int argc, char **argv) {
    (void)argc;
    signal(SIGTERM, end);     /* process 1 has no default actions */
    signal(SIGCHLD, SIG_IGN); /* the kernel reaps its children, adopted ones too */
    run_all(argv + 1);
}
