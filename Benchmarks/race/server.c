#include "race.h"

#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

struct process {
    int pid, parent;
    unsigned long long ticks;
};

static bool read_process(const char *name, struct process *p) {
    char path[280], line[1024];
    snprintf(path, sizeof path, "/proc/%s/stat", name);
    FILE *file = fopen(path, "r");
    if (!file) return false;
    size_t count = fread(line, 1, sizeof line - 1, file);
    fclose(file);
    line[count] = 0;
    const char *rest = strrchr(line, ')');   // the program's name may hold anything
    unsigned long long user, system, ended_user, ended_system;
    if (!rest || sscanf(rest + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %llu %llu", &p->parent, &user, &system,
                        &ended_user, &ended_system) != 5)
        return false;
    p->pid = atoi(name);
    p->ticks = user + system + ended_user + ended_system;
    return true;
}

static long kib_field(int pid, const char *file_name, const char *field) {
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, file_name);
    FILE *file = fopen(path, "r");
    long value = 0;
    while (file && fgets(line, sizeof line, file))
        if (!strncmp(line, field, strlen(field))) value = strtol(line + strlen(field), NULL, 10);
    if (file) fclose(file);
    return value;
}

// The process and all below it. A child has a larger number than its parent but where numbers wrapped, so the list is
// walked until nothing is added.
static void process_tree(int pid, struct usage *usage) {
    enum { MOST = 32768 };
    static struct process all[MOST];
    static bool is_ours[MOST];
    int count = 0, ours = 0;
    DIR *proc = opendir("/proc");
    for (struct dirent *entry; proc && (entry = readdir(proc)) && count < MOST;)
        if (isdigit((unsigned char)entry->d_name[0]) && read_process(entry->d_name, &all[count]))
            is_ours[count] = all[count].pid == pid, count++;
    if (proc) closedir(proc);
    for (bool more = true; more;) {
        more = false;
        for (int i = 0; i < count; i++)
            for (int j = 0; j < count && !is_ours[i]; j++)
                if (is_ours[j] && all[j].pid == all[i].parent) is_ours[i] = more = true;
    }
    unsigned long long ticks = 0;
    for (int i = 0; i < count; i++)
        if (is_ours[i]) ticks += all[i].ticks, ours++;
    for (int i = 0; i < count; i++)
        if (is_ours[i])
            usage->memory_kib += ours == 1 ? kib_field(pid, "status", "VmRSS:") : kib_field(all[i].pid, "smaps_rollup", "Pss:");
    usage->cpu_seconds = (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

// Field 16 of the device's statistics: flush requests completed (Linux 5.5).
static void device_flushes(const char *directory, struct usage *usage) {
    struct stat status;
    char path[64];
    if (stat(directory, &status)) die("%s is not there", directory);
    snprintf(path, sizeof path, "/sys/dev/block/%u:%u/stat", major(status.st_dev), minor(status.st_dev));
    FILE *file = fopen(path, "r");
    if (!file) return;
    unsigned long long value = 0;
    int fields = 0;
    while (fields < 16 && fscanf(file, "%llu", &value) == 1) fields++;
    fclose(file);
    usage->flushes = value;
    usage->has_flushes = fields == 16;
}

struct usage server_usage(int pid, const char *directory) {
    struct usage usage = {0};
    if (pid) process_tree(pid, &usage);
    if (directory) device_flushes(directory, &usage);
    return usage;
}

double own_cpu_seconds(void) {
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}
