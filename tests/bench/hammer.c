/* A load generator for small requests that costs next to nothing beside the servers it measures.
 *
 * hammer PORT CONNECTIONS SECONDS FIRST STATUS [SECOND STATUS]
 *
 * Keeps one request under way on each connection. FIRST is a file with a whole request as it goes over the wire. With
 * SECOND, a round is two requests: the second goes to the Location that the first one was answered with, and its file
 * holds what follows the path, from " HTTP/1.1" on (its method is PATCH). An answer with another status than expected,
 * and one that cannot be read, is an error; the connection is opened anew then. Rounds under way when the time is over
 * are finished and not counted. Prints one line of JSON; all times are in seconds.
 *
 * wrk does not do: it takes the header of a HEAD response for one with a body, and has no state for each connection.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST_CONNECTIONS 1024
#define MOST_BYTES 65536
#define MOST_SAMPLES 8000000
#define MOST_FAILURES 100000

struct request { char *data; size_t size; int expected; int head; };
struct connection { int fd; int step; double started; size_t got, sent, out_size; char in[MOST_BYTES], out[MOST_BYTES]; };

static struct request requests[2];
static int steps = 1;
static struct connection *connections;
static int epoll, port;
static long rounds, errors, by_status[1000];
static float *samples;
static char first_error[200];

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void fail(const char *what) {
    fprintf(stderr, "hammer: %s\n", what);
    exit(1);
}

static struct request read_request(const char *path, const char *expected) {
    FILE *file = fopen(path, "rb");
    struct request request = {malloc(MOST_BYTES), 0, atoi(expected), 0};
    if (!file) fail("cannot open a request's file");
    request.size = fread(request.data, 1, MOST_BYTES / 2, file);
    request.head = request.size > 5 && !memcmp(request.data, "HEAD ", 5);
    fclose(file);
    return request;
}

static void note_error(const char *what, const struct connection *c) {
    if (!errors++) {
        snprintf(first_error, sizeof first_error, "%s: %.150s", what, c->got ? c->in : "(nothing)");
        for (char *p = first_error; *p; p++)
            if (*p == '"' || *p == '\\' || (unsigned char)*p < ' ' || (unsigned char)*p > '~') *p = ' ';
    }
    if (errors > MOST_FAILURES) fail(first_error);
}

static void dial(struct connection *c) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    int on = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof address)) fail("cannot connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event)) fail("epoll_ctl");
}

/* Requests are smaller than a socket's buffer, so a blocking send does not block. */
static int send_out(struct connection *c) {
    c->got = 0;
    return send(c->fd, c->out, c->out_size, MSG_NOSIGNAL) == (ssize_t)c->out_size;
}

static void start_round(struct connection *c) {
    c->step = 0;
    c->started = now();
    memcpy(c->out, requests[0].data, requests[0].size);
    c->out_size = requests[0].size;
    if (!send_out(c)) {
        note_error("cannot send", c);
        close(c->fd);
        dial(c);
        if (!send_out(c)) fail("cannot send");
    }
}

static void restart(struct connection *c) {
    close(c->fd);
    dial(c);
    start_round(c);
}

static const char *field(const char *head, const char *end, const char *name) {
    size_t size = strlen(name);
    for (const char *line = head; line && line < end; line = strstr(line, "\r\n")) {
        if (*line == '\r') line += 2;
        if (!strncasecmp(line, name, size) && line[size] == ':') {
            for (line += size + 1; *line == ' '; line++) {}
            return line;
        }
    }
    return NULL;
}

/* How many bytes the answer has in all; 0 when that cannot be told yet, -1 when it never can. */
static long answer_size(struct connection *c, const char *end, int status) {
    long head = end + 4 - c->in;
    const char *length = field(c->in, end, "content-length"), *coding = field(c->in, end, "transfer-encoding");
    if (requests[c->step].head || status == 204 || status == 304) return head;
    if (coding && !strncasecmp(coding, "chunked", 7))
        return c->got >= (size_t)head + 5 && !memcmp(c->in + c->got - 5, "0\r\n\r\n", 5) ? (long)c->got : 0;
    if (!length) return -1;
    return (long)c->got >= head + atol(length) ? head + atol(length) : 0;
}

static int start_second(struct connection *c, const char *end) {
    const char *path = field(c->in, end, "location");
    if (path && !strncasecmp(path, "http", 4)) path = strchr(strstr(path, "//") ? strstr(path, "//") + 2 : path, '/');
    if (!path) return 0;
    int size = strcspn(path, "\r\n");
    c->out_size = sprintf(c->out, "PATCH %.*s", size > 2000 ? 2000 : size, path);
    memcpy(c->out + c->out_size, requests[1].data, requests[1].size);
    c->out_size += requests[1].size;
    c->step = 1;
    return send_out(c);
}

static void answered(struct connection *c, const char *end, int status, int closing) {
    by_status[status]++;
    if (status != requests[c->step].expected) {
        note_error("unexpected status", c);
        restart(c);
    } else if (c->step + 1 < steps) {
        if (closing || !start_second(c, end)) {
            note_error("no second request possible", c);
            restart(c);
        }
    } else {
        if (rounds < MOST_SAMPLES) samples[rounds] = now() - c->started;
        rounds++;
        if (closing) restart(c);
        else start_round(c);
    }
}

static void receive(struct connection *c) {
    ssize_t count = recv(c->fd, c->in + c->got, MOST_BYTES - 1 - c->got, 0);
    if (count <= 0) {
        c->in[c->got] = 0;
        note_error(count ? "connection broken" : "connection closed", c);
        restart(c);
        return;
    }
    c->got += count;
    c->in[c->got] = 0;
    const char *end = strstr(c->in, "\r\n\r\n");
    if (!end) return;
    int status = atoi(c->in + 9);
    long size = status >= 100 && status <= 999 ? answer_size(c, end, status) : -1;
    if (size < 0 || (size > 0 && (long)c->got > size) || c->got == MOST_BYTES - 1) {
        note_error("unreadable answer", c);
        restart(c);
    } else if (size) {
        const char *connection = field(c->in, end, "connection");
        answered(c, end, status, connection && !strncasecmp(connection, "close", 5));
    }
}

static int compare(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void report(double seconds) {
    struct rusage usage;
    long count = rounds < MOST_SAMPLES ? rounds : MOST_SAMPLES;
    const char *comma = "";
    getrusage(RUSAGE_SELF, &usage);
    qsort(samples, count, sizeof *samples, compare);
    printf("{\"rounds\": %ld, \"errors\": %ld, \"seconds\": %.6f, ", rounds, errors, seconds);
    printf("\"median\": %.6f, ", count ? samples[count / 2] : 0.0);
    printf("\"p99\": %.6f, ", count ? samples[count * 99 / 100] : 0.0);
    printf("\"cpu\": %.6f, \"first_error\": \"%s\", \"statuses\": {",
           usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6,
           first_error);
    for (int status = 0; status < 1000; status++)
        if (by_status[status]) {
            printf("%s\"%d\": %ld", comma, status, by_status[status]);
            comma = ", ";
        }
    printf("}}\n");
}

int main(int count, char **arguments) {
    struct epoll_event events[MOST_CONNECTIONS];
    if (count != 6 && count != 8) fail("usage: hammer PORT CONNECTIONS SECONDS FIRST STATUS [SECOND STATUS]");
    int width = atoi(arguments[2]);
    double duration = atof(arguments[3]), started, last;
    if (width < 1 || width > MOST_CONNECTIONS) fail("too many connections, or none");
    signal(SIGPIPE, SIG_IGN);
    port = atoi(arguments[1]);
    requests[0] = read_request(arguments[4], arguments[5]);
    if (count == 8) requests[steps++] = read_request(arguments[6], arguments[7]);
    connections = calloc(width, sizeof *connections);
    samples = malloc(MOST_SAMPLES * sizeof *samples);
    epoll = epoll_create1(0);
    started = last = now();
    for (int i = 0; i < width; i++) {
        dial(&connections[i]);
        start_round(&connections[i]);
    }
    while (now() - started < duration) {
        int ready = epoll_wait(epoll, events, MOST_CONNECTIONS, 100);
        for (int i = 0; i < ready; i++) receive(events[i].data.ptr);
        if (ready > 0) last = now();
        if (now() - last > 30) fail("no answer for 30 seconds");
    }
    report(now() - started);
    return 0;
}
