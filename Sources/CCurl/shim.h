// libcurl for Swift. Its option functions are variadic, which Swift cannot call: one typed function for each
// kind of argument stands in for them.
#ifndef PARLEY_CCURL_H
#define PARLEY_CCURL_H

#include <curl/curl.h>
#include <stdint.h>

static inline CURLcode parley_curl_set_long(CURL *handle, CURLoption option, long value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode parley_curl_set_offset(CURL *handle, CURLoption option, int64_t value) {
    return curl_easy_setopt(handle, option, (curl_off_t)value);
}

static inline CURLcode parley_curl_set_pointer(CURL *handle, CURLoption option, const void *value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode parley_curl_set_string(CURL *handle, CURLoption option, const char *value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode parley_curl_set_list(CURL *handle, CURLoption option, struct curl_slist *value) {
    return curl_easy_setopt(handle, option, value);
}

typedef size_t (*parley_curl_data_function)(char *, size_t, size_t, void *);
static inline CURLcode parley_curl_set_function(CURL *handle, CURLoption option, parley_curl_data_function value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode parley_curl_set_prerequest(CURL *handle, curl_prereq_callback value) {
    return curl_easy_setopt(handle, CURLOPT_PREREQFUNCTION, value);
}

static inline CURLcode parley_curl_get_long(CURL *handle, CURLINFO info, long *value) {
    return curl_easy_getinfo(handle, info, value);
}

static inline CURLcode parley_curl_get_offset(CURL *handle, CURLINFO info, int64_t *value) {
    curl_off_t found = 0;
    CURLcode code = curl_easy_getinfo(handle, info, &found);
    *value = found;
    return code;
}

static inline CURLcode parley_curl_get_pointer(CURL *handle, CURLINFO info, void **value) {
    return curl_easy_getinfo(handle, info, value);
}

static inline CURLMcode parley_curl_multi_set_long(CURLM *multi, CURLMoption option, long value) {
    return curl_multi_setopt(multi, option, value);
}

static inline CURLMcode parley_curl_multi_set_pointer(CURLM *multi, CURLMoption option, void *value) {
    return curl_multi_setopt(multi, option, value);
}

static inline CURLMcode parley_curl_multi_set_socket_function(CURLM *multi, curl_socket_callback value) {
    return curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, value);
}

static inline CURLMcode parley_curl_multi_set_timer_function(CURLM *multi, curl_multi_timer_callback value) {
    return curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, value);
}

/// The outcome that a CURLMSG_DONE message carries in its union.
static inline CURLcode parley_curl_message_result(const CURLMsg *message) { return message->data.result; }

/// Flags that are macros of casts, which Swift does not see.
static inline long parley_curl_http_1_1(void) { return CURL_HTTP_VERSION_1_1; }

/// What a curl_prereq_callback answers.
static inline int parley_curl_go_on(void) { return CURL_PREREQFUNC_OK; }
static inline int parley_curl_abort(void) { return CURL_PREREQFUNC_ABORT; }

/// The setting of CURLOPT_POSTREDIR that never turns a POST into a GET.
static inline long parley_curl_keep_method(void) { return CURL_REDIR_POST_ALL; }

#endif
