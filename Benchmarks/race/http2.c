#include "race.h"

#ifdef WITH_HTTP2
#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>

static struct lane *lane_of(nghttp2_session *session, int32_t stream) {
    return nghttp2_session_get_stream_user_data(session, stream);
}

static int header_came(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_count,
                       const uint8_t *value, size_t value_count, uint8_t flags, void *link) {
    (void)flags, (void)link;
    struct lane *lane = lane_of(session, frame->hd.stream_id);
    if (lane && value_count == 3 && name_count == 7 && !memcmp(name, ":status", 7)) lane->status = atoi((const char *)value);
    return 0;
}

static int data_came(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *bytes, size_t count, void *link) {
    (void)flags, (void)link;
    struct lane *lane = lane_of(session, stream);
    if (lane) buffer_add(&lane->answer, bytes, count);
    return 0;
}

static int stream_ended(nghttp2_session *session, int32_t stream, uint32_t error, void *link) {
    (void)link;
    struct lane *lane = lane_of(session, stream);
    if (!lane) return 0;
    if (error) die("the server reset a stream: %s", nghttp2_http2_strerror(error));
    // The lane's next request fills these buffers anew.
    struct buffer answer = lane->answer;
    lane->answer = (struct buffer){0};
    http_answered(lane, lane->status, (struct text){buffer_start(&answer), buffer_count(&answer)});
    answer.taken = answer.length = 0;
    lane->answer = answer;
    return 0;
}

static ssize_t read_body(nghttp2_session *session, int32_t stream, uint8_t *to, size_t room, uint32_t *flags,
                         nghttp2_data_source *source, void *link) {
    (void)session, (void)stream, (void)link;
    struct buffer *body = source->ptr;
    size_t count = buffer_count(body) < room ? buffer_count(body) : room;
    memcpy(to, buffer_start(body), count);
    buffer_take(body, count);
    if (!buffer_count(body)) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)count;
}

void http2_begin(struct link *link) {
    nghttp2_session_callbacks *callbacks;
    nghttp2_session *session;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, header_came);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, data_came);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, stream_ended);
    if (nghttp2_session_client_new(&session, callbacks, link)) die("out of memory");
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0}, {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20}};
    nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, 2);
    nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, 1 << 24);
    link->session = session;
}

static nghttp2_nv pair(const char *name, const char *value) {
    return (nghttp2_nv){(uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value), NGHTTP2_NV_FLAG_NONE};
}

void http2_post(struct lane *lane, const char *path, const char *key, const struct buffer *body) {
    char bearer[128], length[24];
    snprintf(bearer, sizeof bearer, "Bearer %s", key);
    snprintf(length, sizeof length, "%zu", buffer_count(body));
    nghttp2_nv head[] = {pair(":method", "POST"),         pair(":scheme", "https"),  pair(":authority", "localhost"),
                         pair(":path", path),             pair("authorization", bearer),
                         pair("content-type", "application/json"), pair("content-length", length)};
    lane->request.taken = lane->request.length = 0;
    buffer_add(&lane->request, buffer_start(body), buffer_count(body));
    nghttp2_data_provider provider = {.source.ptr = &lane->request, .read_callback = read_body};
    bool empty = !buffer_count(body);
    if (nghttp2_submit_request(lane->link->session, NULL, head, sizeof head / sizeof *head, empty ? NULL : &provider, lane) < 0)
        die("nghttp2 refused a request");
}

// What nghttp2 has to say goes to the link's bytes; race.c writes those after each turn.
void http2_send(struct link *link) {
    const uint8_t *bytes;
    ssize_t count;
    while ((count = nghttp2_session_mem_send(link->session, &bytes)) > 0) buffer_add(&link->out, bytes, (size_t)count);
    if (count < 0) die("HTTP/2: %s", nghttp2_strerror((int)count));
}

bool http2_receive(struct link *link) {
    ssize_t count = nghttp2_session_mem_recv(link->session, (const uint8_t *)buffer_start(&link->in), buffer_count(&link->in));
    if (count < 0) return false;
    buffer_take(&link->in, (size_t)count);
    return true;
}
#else
static void missing(void) { die("built without HTTP/2: libnghttp2-dev was not there"); }
void http2_begin(struct link *link) { missing(), (void)link; }
void http2_send(struct link *link) { missing(), (void)link; }
bool http2_receive(struct link *link) { return missing(), !link; }
void http2_post(struct lane *lane, const char *path, const char *key, const struct buffer *body) {
    missing(), (void)lane, (void)path, (void)key, (void)body;
}
#endif
