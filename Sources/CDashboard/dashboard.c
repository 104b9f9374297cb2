#include "CDashboard.h"

// The files themselves, so that there is no second copy to keep in step; the compiler tracks them like headers.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const uint8_t index_html[] = {
#embed "files/index.html"
};
static const uint8_t style_css[] = {
#embed "files/style.css"
};
static const uint8_t icon_svg[] = {
#embed "files/icon.svg"
};
static const uint8_t app_js[] = {
#embed "files/app.js"
};
static const uint8_t dom_js[] = {
#embed "files/dom.js"
};
static const uint8_t api_js[] = {
#embed "files/api.js"
};
static const uint8_t format_js[] = {
#embed "files/format.js"
};
static const uint8_t chart_js[] = {
#embed "files/chart.js"
};
static const uint8_t pulse_js[] = {
#embed "files/pulse.js"
};
static const uint8_t ui_js[] = {
#embed "files/ui.js"
};
static const uint8_t json_js[] = {
#embed "files/json.js"
};
static const uint8_t bulk_js[] = {
#embed "files/bulk.js"
};
static const uint8_t overview_js[] = {
#embed "files/overview.js"
};
static const uint8_t schedules_js[] = {
#embed "files/schedules.js"
};
static const uint8_t queues_js[] = {
#embed "files/queues.js"
};
static const uint8_t queue_js[] = {
#embed "files/queue.js"
};
static const uint8_t settings_js[] = {
#embed "files/settings.js"
};
static const uint8_t jobs_js[] = {
#embed "files/jobs.js"
};
static const uint8_t job_js[] = {
#embed "files/job.js"
};
static const uint8_t dead_js[] = {
#embed "files/dead.js"
};
static const uint8_t workers_js[] = {
#embed "files/workers.js"
};
static const uint8_t keys_js[] = {
#embed "files/keys.js"
};
static const uint8_t operations_js[] = {
#embed "files/operations.js"
};

#define FILE_OF(name, bytes) {name, bytes, sizeof bytes}

static const struct roost_dashboard_file files[] = {
    FILE_OF("index.html", index_html),
    FILE_OF("style.css", style_css),
    FILE_OF("icon.svg", icon_svg),
    FILE_OF("app.js", app_js),
    FILE_OF("dom.js", dom_js),
    FILE_OF("api.js", api_js),
    FILE_OF("format.js", format_js),
    FILE_OF("chart.js", chart_js),
    FILE_OF("pulse.js", pulse_js),
    FILE_OF("ui.js", ui_js),
    FILE_OF("json.js", json_js),
    FILE_OF("bulk.js", bulk_js),
    FILE_OF("overview.js", overview_js),
    FILE_OF("queues.js", queues_js),
    FILE_OF("schedules.js", schedules_js),
    FILE_OF("queue.js", queue_js),
    FILE_OF("settings.js", settings_js),
    FILE_OF("jobs.js", jobs_js),
    FILE_OF("job.js", job_js),
    FILE_OF("dead.js", dead_js),
    FILE_OF("workers.js", workers_js),
    FILE_OF("keys.js", keys_js),
    FILE_OF("operations.js", operations_js),
};

size_t roost_dashboard_count(void) { return sizeof files / sizeof *files; }

struct roost_dashboard_file roost_dashboard_file(size_t place) { return files[place]; }
