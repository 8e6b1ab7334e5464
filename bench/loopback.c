/* An OpenAI-compatible server that thinks for a drawn time and answers with a fixed text: the teacher of bench/teacher.py.
 *
 * loopback serve PORT SLOTS MEAN_MS SIGMA ANSWER_BYTES SEED
 * loopback ask PORT CONNECTIONS REQUESTS BYTES      what the server can do: a client in C that does nothing but ask
 *
 * One thread, epoll, HTTP/1.1 with keep-alive. At most SLOTS requests are in service, the rest wait in line. Service times are
 * lognormal with this mean and this sigma of their logarithm (0: all equal), drawn in the order of arrival, so that every client
 * meets the same ones. GET is answered at once and not counted. PORT 0 takes a free one; the first line of standard output is the port. On SIGTERM it prints one line of
 * JSON:
 *   requests     answered
 *   connections  accepted
 *   most         requests in service at once
 *   seconds      from the first request's arrival to the last answer
 *   loaded       seconds from when all slots were first taken to the last arrival
 *   busy         slot-seconds of service in that time; busy / (SLOTS * loaded) is the share of the capacity that was used
 *   closed       connections that ended with an answer outstanding
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 1024, READ = 65536 };

typedef struct Connection {
    int socket;
    int asked;             /* a whole request is in hand: waiting, in service, or being answered */
    int gone;              /* the client has closed it */
    int last;              /* the client wants it closed behind this answer */
    char *in;              /* what has come of the request */
    size_t have, room;
    size_t wanted;         /* bytes of the whole request, 0 until its head is known */
    size_t sent;           /* bytes of the answer that are out */
    double due;            /* when its service ends */
    struct Connection *next; /* in the line */
} Connection;

static char *answer;
static size_t answer_bytes;
static Connection **heap;
static size_t in_service, heap_room, slots;
static Connection *line_head, *line_tail;
static size_t waiting;
static double mean_s, sigma;
static uint64_t state;
static volatile sig_atomic_t stopped;
static long requests, connections, closed_early, most;
static double first_arrival, last_answer, full_since, last_arrival, busy, changed_at, busy_at_arrival;
static int epoll;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static double uniform(void) { /* splitmix64 */
    uint64_t z = (state += 0x9E3779B97F4A7C15ull);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return ((z ^ (z >> 31)) >> 11) * 0x1.0p-53;
}

static double service_time(void) {
    double normal = sqrt(-2 * log(1 - uniform())) * cos(2 * M_PI * uniform());
    return sigma > 0 ? mean_s * exp(sigma * normal - sigma * sigma / 2) : mean_s;
}

static void account(double at) {
    if (full_since > 0) busy += in_service * (at - changed_at);
    changed_at = at;
}

static void swap(size_t a, size_t b) {
    Connection *kept = heap[a];
    heap[a] = heap[b];
    heap[b] = kept;
}

static void serve(Connection *c, double at) {
    account(at);
    c->due = at + service_time();
    if (in_service == heap_room) {
        heap_room = heap_room ? 2 * heap_room : 1024;
        heap = realloc(heap, heap_room * sizeof *heap);
    }
    size_t place = in_service++;
    heap[place] = c;
    while (place && heap[(place - 1) / 2]->due > heap[place]->due) {
        swap(place, (place - 1) / 2);
        place = (place - 1) / 2;
    }
    if ((long)in_service > most) most = in_service;
    if (in_service == slots && full_since == 0) full_since = changed_at = at;
}

static Connection *served(double at) {
    account(at);
    Connection *c = heap[0];
    heap[0] = heap[--in_service];
    for (size_t place = 0;;) {
        size_t child = 2 * place + 1;
        if (child >= in_service) break;
        if (child + 1 < in_service && heap[child + 1]->due < heap[child]->due) child++;
        if (heap[place]->due <= heap[child]->due) break;
        swap(place, child);
        place = child;
    }
    return c;
}

static void arrived(Connection *c, double at) {
    c->asked = 1;
    if (!first_arrival) first_arrival = at;
    last_arrival = at;
    if (in_service < slots) {
        serve(c, at);
    } else {
        c->next = NULL;
        if (line_tail) line_tail->next = c; else line_head = c;
        line_tail = c;
        waiting++;
    }
    account(at);
    busy_at_arrival = busy;
}

static void drop(Connection *c) {
    epoll_ctl(epoll, EPOLL_CTL_DEL, c->socket, NULL);
    close(c->socket);
    if (c->asked) { /* it still has a place in the heap or the line */
        c->gone = 1;
        closed_early++;
        return;
    }
    free(c->in);
    free(c);
}

static void watch(Connection *c, int writing) {
    struct epoll_event event = {.events = writing ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = c};
    epoll_ctl(epoll, EPOLL_CTL_MOD, c->socket, &event);
}

static void parse(Connection *c);

static void end(Connection *c) {
    c->asked = 0;
    drop(c);
}

static void reply(Connection *c) {
    if (c->gone) {
        free(c->in);
        free(c);
        return;
    }
    while (c->sent < answer_bytes) {
        ssize_t count = send(c->socket, answer + c->sent, answer_bytes - c->sent, MSG_NOSIGNAL);
        if (count < 0) {
            if (errno == EAGAIN) {
                watch(c, 1);
                return;
            }
            end(c);
            return;
        }
        c->sent += count;
    }
    requests++;
    last_answer = now();
    if (c->last) {
        end(c);
        return;
    }
    memmove(c->in, c->in + c->wanted, c->have - c->wanted);
    c->have -= c->wanted;
    c->asked = 0;
    c->wanted = c->sent = 0;
    parse(c);
}

static void parse(Connection *c) {
    if (c->asked) return;
    if (!c->wanted) {
        char *end = memmem(c->in, c->have, "\r\n\r\n", 4);
        if (!end) return;
        size_t body = 0;
        for (char *line = c->in; line < end;) {
            char *stop = memmem(line, end + 2 - line, "\r\n", 2);
            if (!strncasecmp(line, "content-length:", 15)) body = strtoul(line + 15, NULL, 10);
            if (!strncasecmp(line, "connection: close", 17)) c->last = 1;
            line = stop + 2;
        }
        c->wanted = end + 4 - c->in + body;
    }
    if (c->have < c->wanted) return;
    if (!strncmp(c->in, "GET ", 4)) {
        static const char ready[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
        if (send(c->socket, ready, sizeof ready - 1, MSG_NOSIGNAL) < 0) perror("loopback");
        end(c);
        return;
    }
    arrived(c, now());
}

static void take(Connection *c) {
    for (;;) {
        if (c->room - c->have < READ / 4) {
            c->room = c->room ? 2 * c->room : READ / 4;
            c->in = realloc(c->in, c->room);
            continue;
        }
        ssize_t count = recv(c->socket, c->in + c->have, c->room - c->have, 0);
        if (count > 0) {
            c->have += count;
            if (c->have < c->room) break;
        } else if (count < 0 && errno == EAGAIN) {
            break;
        } else {
            drop(c);
            return;
        }
    }
    parse(c);
}

static void stop(int number) { (void)number; stopped = 1; }

/* Requests one behind the other on each of so many connections; prints requests per second. */
static int ask(int port, int count, long total, size_t bytes) {
    char *request = malloc(bytes + 256), *buffer = malloc(1 << 20);
    size_t size = sprintf(request, "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n", bytes);
    memset(request + size, ' ', bytes);
    size += bytes;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int poll = epoll_create1(0), yes = 1;
    long *left = calloc(count, sizeof *left), begun = 0, done = 0;
    int *sockets = calloc(count, sizeof *sockets);
    double start = now();
    for (int i = 0; i < count && begun < total; i++, begun++) {
        sockets[i] = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(sockets[i], (struct sockaddr *)&address, sizeof address)) {
            perror("loopback");
            return 1;
        }
        setsockopt(sockets[i], IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
        epoll_ctl(poll, EPOLL_CTL_ADD, sockets[i], &event);
        if (send(sockets[i], request, size, MSG_NOSIGNAL) != (ssize_t)size) return 1;
    }
    while (done < total) {
        struct epoll_event events[EVENTS];
        int found = epoll_wait(poll, events, EVENTS, -1);
        for (int e = 0; e < found; e++) {
            int i = events[e].data.u32;
            ssize_t got = recv(sockets[i], buffer, 1 << 20, 0);
            if (got <= 0) {
                fprintf(stderr, "loopback: the server closed a connection\n");
                return 1;
            }
            if (!left[i]) { /* a head comes whole, as the server sends it in one piece */
                char *end = memmem(buffer, got, "\r\n\r\n", 4), *length = memmem(buffer, got, "Content-Length: ", 16);
                left[i] = end + 4 - buffer + strtol(length + 16, NULL, 10);
            }
            if (left[i] -= got) continue;
            done++;
            if (begun < total) {
                begun++;
                if (send(sockets[i], request, size, MSG_NOSIGNAL) != (ssize_t)size) return 1;
            }
        }
    }
    printf("%.0f\n", total / (now() - start));
    return 0;
}

int main(int count, char **words) {
    if (count == 6 && !strcmp(words[1], "ask")) return ask(atoi(words[2]), atoi(words[3]), atol(words[4]), strtoul(words[5], NULL, 10));
    if (count != 8 || strcmp(words[1], "serve")) {
        fprintf(stderr, "usage: loopback serve PORT SLOTS MEAN_MS SIGMA ANSWER_BYTES SEED | ask PORT CONNECTIONS REQUESTS BYTES\n");
        return 2;
    }
    words++;
    slots = strtoul(words[2], NULL, 10);
    mean_s = atof(words[3]) / 1000;
    sigma = atof(words[4]);
    size_t text = strtoul(words[5], NULL, 10);
    state = strtoull(words[6], NULL, 10);
    signal(SIGTERM, stop);
    signal(SIGINT, stop);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);

    char *body = malloc(text + 512);
    size_t length = sprintf(body, "{\"id\":\"0\",\"object\":\"chat.completion\",\"created\":0,\"model\":\"loopback\",\"choices\":[{\"index\":0,"
                                  "\"finish_reason\":\"stop\",\"message\":{\"role\":\"assistant\",\"content\":\"<think>\\n");
    size_t start = length;
    for (; length < start + text; length++) body[length] = (length - start) % 8 == 7 ? ' ' : 'a' + (length - start) % 23;
    length += sprintf(body + length, "\\n</think>\\n\\n42\"}}],\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":%zu,\"total_tokens\":%zu}}",
                      text / 4, 100 + text / 4);
    answer = malloc(length + 256);
    answer_bytes = sprintf(answer, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", length);
    memcpy(answer + answer_bytes, body, length);
    answer_bytes += length;

    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), yes = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(words[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 65535)) {
        perror("loopback");
        return 1;
    }
    getsockname(listener, (struct sockaddr *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);

    epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[EVENTS];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    while (!stopped) {
        int timeout = -1;
        if (in_service) {
            double left = heap[0]->due - now();
            timeout = left <= 0 ? 0 : (int)(left * 1000) + 1;
        }
        int found = epoll_wait(epoll, events, EVENTS, timeout);
        for (int i = 0; i < found; i++) {
            Connection *c = events[i].data.ptr;
            if (!c) {
                int fresh;
                while ((fresh = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                    setsockopt(fresh, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
                    c = calloc(1, sizeof *c);
                    c->socket = fresh;
                    connections++;
                    struct epoll_event reading = {.events = EPOLLIN, .data.ptr = c};
                    epoll_ctl(epoll, EPOLL_CTL_ADD, fresh, &reading);
                }
            } else if (events[i].events & EPOLLOUT) {
                watch(c, 0);
                reply(c);
            } else {
                take(c);
            }
        }
        double at = now();
        while (in_service && heap[0]->due <= at) {
            Connection *done = served(at);
            if (line_head) {
                Connection *following = line_head;
                line_head = following->next;
                if (!line_head) line_tail = NULL;
                waiting--;
                serve(following, at);
            }
            reply(done);
        }
    }
    printf("{\"requests\": %ld, \"connections\": %ld, \"most\": %ld, \"seconds\": %.6f, \"loaded\": %.6f, \"busy\": %.6f, \"closed\": %ld}\n",
           requests, connections, most, last_answer - first_arrival, full_since ? last_arrival - full_since : 0.0, busy_at_arrival, closed_early);
    return 0;
}
