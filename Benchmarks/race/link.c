#include "race.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

static bool http2_asked;

#ifdef WITH_TLS
#include <openssl/err.h>
#include <openssl/ssl.h>

static SSL_CTX *tls;

void link_use_tls(const char *authority_file, bool http2) {
    tls = SSL_CTX_new(TLS_client_method());
    if (!tls || !SSL_CTX_load_verify_locations(tls, authority_file, NULL)) die("cannot use the authority in %s", authority_file);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_alpn_protos(tls, http2 ? (const unsigned char *)"\2h2" : (const unsigned char *)"\10http/1.1", http2 ? 3 : 9);
    http2_asked = http2;
}

static void tls_open(struct link *link) {
    SSL *ssl = SSL_new(tls);
    link->tls = ssl;
    SSL_set1_host(ssl, "localhost");
    SSL_set_tlsext_host_name(ssl, "localhost");
    SSL_set_fd(ssl, link->fd);
    if (SSL_connect(ssl) != 1) die("TLS: %s", ERR_error_string(ERR_get_error(), NULL));
    const unsigned char *chosen;
    unsigned count;
    SSL_get0_alpn_selected(ssl, &chosen, &count);
    if (http2_asked && count != 2) die("the server does not speak HTTP/2");
}

// Bytes, 0 when it would block, -1 when the connection is over.
static ssize_t tls_result(SSL *ssl, int result) {
    if (result > 0) return result;
    int error = SSL_get_error(ssl, result);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}
#else
void link_use_tls(const char *authority_file, bool http2) {
    http2_asked = http2 && authority_file;
    die("built without TLS: libssl-dev was not there");
}
#endif

bool link_open(struct link *link, int port) {
    link->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (link->fd < 0) die("no socket: raise the limit of descriptors (ulimit -n)");
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (connect(link->fd, (struct sockaddr *)&address, sizeof address)) {
        close(link->fd);
        link->fd = -1;
        return false;
    }
    int on = 1;
    setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
#ifdef WITH_TLS
    if (tls) tls_open(link);
#endif
    return true;
}

void link_unblock(struct link *link) { fcntl(link->fd, F_SETFL, fcntl(link->fd, F_GETFL) | O_NONBLOCK); }

static ssize_t plain_result(ssize_t result) {
    if (result > 0) return result;
    return result < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

static ssize_t read_some(struct link *link, char *to, size_t room) {
#ifdef WITH_TLS
    ERR_clear_error();   // what is left of another connection's error would count as one of this
    if (link->tls) return tls_result(link->tls, SSL_read(link->tls, to, (int)room));
#endif
    return plain_result(recv(link->fd, to, room, 0));
}

static ssize_t write_some(struct link *link, const char *from, size_t count) {
#ifdef WITH_TLS
    ERR_clear_error();
    if (link->tls) return tls_result(link->tls, SSL_write(link->tls, from, (int)count));
#endif
    return plain_result(send(link->fd, from, count, MSG_NOSIGNAL));
}

int link_fill(struct link *link) {
    int total = 0;
    for (;;) {
        // Long enough for an answer to a single job: ten thousand links shall not take a gigabyte.
        buffer_reserve(&link->in, 2048);
        size_t room = link->in.capacity - link->in.length;
        ssize_t count = read_some(link, link->in.bytes + link->in.length, room);
        if (count < 0) return total ? total : -1;
        link->in.length += (size_t)count;
        total += (int)count;
        // TLS keeps what did not fit, and epoll would not tell of it.
        if (!count || ((size_t)count < room && !link->tls)) return total;
    }
}

bool link_flush(struct link *link) {
    while (buffer_count(&link->out)) {
        ssize_t count = write_some(link, buffer_start(&link->out), buffer_count(&link->out));
        if (count < 0) return false;
        if (!count) return true;
        buffer_take(&link->out, (size_t)count);
    }
    return true;
}

void link_close(struct link *link) {
#ifdef WITH_TLS
    if (link->tls) SSL_free(link->tls);
#endif
    if (link->fd >= 0) close(link->fd);
    buffer_free(&link->in);
    buffer_free(&link->out);
    link->fd = -1;
    link->tls = NULL;
}
