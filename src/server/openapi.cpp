#include "server/openapi.h"

#include <array>
#include <string>
#include <utility>

namespace tideline::server {
namespace {

// Written by hand, in the order people read it. "@name" stands for text that many places share (kShared).
constexpr std::string_view kHead = R"json({
"openapi":"3.1.0",
"info":{
 "title":"Tideline",
 "version":"1",
 "license":{"name":"Apache-2.0","identifier":"Apache-2.0"},
 "description":"Warehouse metadata of an organization: what its dbt projects hold, kept in step with its repositories. Every path that takes GET takes HEAD as well, and every path OPTIONS. Unknown query parameters and unknown members of a body are ignored, but in documentation, where they are kept. Times are ISO 8601; those in answers have six digits and end in Z. Errors are application/problem+json (RFC 9457)."
},
"security":[{"bearer":[]}],
"tags":[{"name":"sync","description":"What editors and agents read"},{"name":"replica","description":"The sync protocol: what keeps an exact copy (docs/protocol.md)"},{"name":"sessions","description":"Editors that sync"},{"name":"push","description":"What CI and generators deliver"},{"name":"connections","description":"Repositories of the organization"},{"name":"operation","description":"For operators; no token needed"}],
)json";

constexpr std::string_view kPaths = R"json("paths":{
"/healthz":{"get":{"operationId":"health","tags":["operation"],"summary":"The process runs","security":[],"responses":{
 "200":{"description":"It does","headers":{@id},"content":{"application/json":{"schema":{"type":"object","required":["status"],"additionalProperties":false,"properties":{"status":{"const":"ok"}}}}}},@publicErrors}}},
"/readyz":{"get":{"operationId":"readiness","tags":["operation"],"summary":"The server can serve: its database answers and it is not shutting down","security":[],"responses":{
 "200":{"description":"It can","headers":{@id},"content":{"application/json":{"schema":{"type":"object","required":["status"],"additionalProperties":false,"properties":{"status":{"const":"ready"}}}}}},
 "503":{"$ref":"#/components/responses/Unavailable"},@publicErrors}}},
"/metrics":{"get":{"operationId":"metrics","tags":["operation"],"summary":"Counters for Prometheus","security":[],"responses":{
 "200":{"description":"Exposition format 0.0.4","headers":{@id},"content":{"text/plain":{"schema":{"type":"string"}}}},@publicErrors}}},
"/openapi.json":{"get":{"operationId":"openapi","tags":["operation"],"summary":"This document","security":[],"responses":{
 "200":{"description":"OpenAPI 3.1","headers":{@id,@cached},"content":{"application/json":{"schema":{"type":"object","required":["openapi","info","paths"]}}}},
 "304":{"$ref":"#/components/responses/NotModified"},@publicErrors}}},
"@org/sync-package":{@orgId,"get":{"operationId":"syncPackage","tags":["sync"],"summary":"A page of the metadata, in full or what changed since a time",
 "description":"Objects and files stand in the order (version of creation, id); `offset` counts positions, where a removed row keeps its own until the retention floor. A page with fewer than `limit` objects and fewer than `limit` files is the last. Keep the `timestamp` of the first page and send it as `last_sync_timestamp` next time; send it as `as_of` with the later pages. An answer with `incremental` true has `deleted` (on the first page with all ids, later empty); where the time given is older than what is kept, or later than the newest, the answer is in full with `incremental` false.",
 "parameters":[{"$ref":"#/components/parameters/connectionIds"},
  {"name":"last_sync_timestamp","in":"query","description":"The `timestamp` of an earlier sync: only what changed since","schema":{"type":"string","format":"date-time"}},
  {"name":"include_documentation","in":"query","schema":{"type":"boolean","default":false}},
  {"name":"limit","in":"query","description":"Live objects, and live files, per page","schema":{"type":"integer","minimum":1,"maximum":10000,"default":1000}},
  {"name":"offset","in":"query","description":"Positions to pass over","schema":{"type":"integer","minimum":0,"maximum":9007199254740991,"default":0}},
  {"name":"as_of","in":"query","description":"The `timestamp` of the first page: repeated in this page's answer","schema":{"type":"string","format":"date-time"}}],
 "responses":{"200":{"description":"The page","headers":{@id,@cached},"content":{"application/json":{"schema":{"$ref":"#/components/schemas/SyncPackage"}}}},
 "304":{"$ref":"#/components/responses/NotModified"},@errors}}},
"@org/heads":{@orgId,"get":{"operationId":"heads","tags":["replica"],"summary":"Where the organization is: its version, and version and digest of each connection",
 "description":"The ETag is \"<epoch>.<version>.<schema>\". With `wait`, a client that is there (If-None-Match, or `since`) is answered as soon as it is not any more, or after so many seconds as without.",
 "parameters":[{"name":"wait","in":"query","description":"Seconds","schema":{"type":"integer","minimum":0,"maximum":30,"default":0}},
  {"name":"since","in":"query","description":"An ETag of this path, with or without its quotes","schema":{"type":"string","maxLength":256}}],
 "responses":{"200":{"description":"The heads","headers":{@id,@cached,@digest},"content":{"application/json":{"schema":{"type":"object","required":["organization","epoch","version","schema","connections"],"additionalProperties":false,"properties":{"organization":@uuid,"epoch":@uuid,"version":@count,"schema":{"type":"integer","minimum":1},"connections":{"type":"array","items":{"type":"object","required":["id","incarnation","version","digest"],"additionalProperties":false,"properties":{"id":@uuid,"incarnation":@count,"version":@count,"digest":{"type":"string","pattern":"^[0-9a-f]{336}$"}}}}}}}}},
 "204":{"description":"The organization is still where `since` says","headers":{@id,@cached}},
 "304":{"$ref":"#/components/responses/NotModified"},@errors}}},
"@org/events":{@orgId,"get":{"operationId":"events","tags":["replica"],"summary":"Server-sent events: a hint whenever the organization has a new version",
 "description":"The data of an event is JSON: epoch, version, spread_ms (pull after a random time of up to so many milliseconds). The first one comes at once. The stream ends when the token expires or the membership does, and now and then besides.",
 "responses":{"200":{"description":"The stream","headers":{@id,"Cache-Control":{"$ref":"#/components/headers/NoStore"}},"content":{"text/event-stream":{"schema":{"type":"string"}}}},@errors}}},
"@org/connections/{id}/changes":{@orgId,@connectionId,"get":{"operationId":"changes","tags":["replica"],"summary":"A page of what changed in a connection behind a cursor; without one, from the beginning",
 "parameters":[{"name":"cursor","in":"query","description":"Of the page before","schema":{"type":"string","maxLength":1024}},
  {"name":"max_bytes","in":"query","description":"Bound of the page before compression; it ends with the row that reaches it","schema":{"type":"integer","minimum":1,"maximum":16777216,"default":4194304}}],
 "responses":{"200":{"description":"The page","headers":{@id,@cached},"content":{"application/vnd.tideline.changes":{"schema":{"type":"string"}}}},
 "304":{"$ref":"#/components/responses/NotModified"},"404":{"$ref":"#/components/responses/NotFound"},"410":{"$ref":"#/components/responses/Gone"},@errors}}},
"@org/connections/{id}/digest":{@orgId,@connectionId,"get":{"operationId":"digest","tags":["replica"],"summary":"Digests of the 256 buckets of a kind, to find where a replica differs",
 "parameters":[@kind,@atLeast],
 "responses":{"200":{"description":"Per bucket the number of rows and the sum of their hashes","headers":{@id,@cached,@digest},"content":{"application/json":{"schema":{"type":"object","required":["epoch","connection","incarnation","version","kind","buckets"],"additionalProperties":false,"properties":{"epoch":@uuid,"connection":@uuid,"incarnation":@count,"version":@count,"kind":{"type":"integer","minimum":1,"maximum":7},"buckets":{"type":"array","minItems":256,"maxItems":256,"items":{"type":"array","minItems":2,"maxItems":2,"prefixItems":[@count,{"type":"string","pattern":"^[0-9a-f]{32}$"}]}}}}}}},
 "304":{"$ref":"#/components/responses/NotModified"},"404":{"$ref":"#/components/responses/NotFound"},@errors}}},
"@org/connections/{id}/rows":{@orgId,@connectionId,"get":{"operationId":"rows","tags":["replica"],"summary":"The rows of one bucket, to repair a replica with",
 "parameters":[@kind,{"name":"bucket","in":"query","required":true,"description":"The first byte of SHA-256 over a row's id","schema":{"type":"integer","minimum":0,"maximum":255}},@atLeast],
 "responses":{"200":{"description":"As a page of changes","headers":{@id,@cached},"content":{"application/vnd.tideline.changes":{"schema":{"type":"string"}}}},
 "304":{"$ref":"#/components/responses/NotModified"},"404":{"$ref":"#/components/responses/NotFound"},@errors}}},
"@org/connections":{@orgId,
 "get":{"operationId":"listConnections","tags":["connections"],"summary":"The organization's connections","responses":{
  "200":{"description":"By name","headers":{@id,@cached,@digest},"content":{"application/json":{"schema":{"type":"object","required":["connections"],"additionalProperties":false,"properties":{"connections":{"type":"array","items":{"$ref":"#/components/schemas/ListedConnection"}}}}}}},
  "304":{"$ref":"#/components/responses/NotModified"},@errors}},
 "put":{"operationId":"registerConnection","tags":["connections"],"summary":"Register a connection, or update name and url of the one with this type, full_name and subdir","description":"Takes the role admin.",
  "requestBody":{"required":true,"content":{"application/json":{"schema":{"type":"object","required":["full_name"],"properties":{
   "id":{"type":["string","null"],"format":"uuid","description":"Chosen by the caller; else random"},
   "type":{"type":["string","null"],"pattern":"^[a-z][a-z0-9_-]{0,31}$","default":"git","description":"github, gitlab, git, local …"},
   "full_name":{"type":"string","minLength":1,"maxLength":512,"description":"owner/repo"},
   "name":{"type":["string","null"],"minLength":1,"maxLength":512,"description":"For people; else the last part of full_name"},
   "subdir":{"type":["string","null"],"maxLength":512,"default":"","description":"Folder of the project in a monorepo"},
   "url":{"type":["string","null"],"maxLength":2048}}}}}},
  "responses":{"200":{"description":"As it is now, and the version of the organization","headers":{@id,@digest},"content":{"application/json":{"schema":{"$ref":"#/components/schemas/WrittenConnection"}}}},
  "409":{"$ref":"#/components/responses/Conflict"},@bodyErrors,@errors}}},
"@org/connections/match-workspace":{@orgId,"post":{"operationId":"matchWorkspace","tags":["sync"],"summary":"Which connections a workspace belongs to",
 "description":"Matched: full_name, name, a former full name or the URL is the identifier's, without regard to case. Suggested: one contains the other. Every connection is in exactly one list.",
 "requestBody":{"required":true,"content":{"application/json":{"schema":{"type":"object","required":["workspace_identifier"],"properties":{"workspace_identifier":{"type":"string","minLength":1,"maxLength":1024,"description":"owner/repo, a name, or a git remote URL"}}}}}},
 "responses":{"200":{"description":"The match","headers":{@id,@digest},"content":{"application/json":{"schema":{"type":"object","required":["matched_connections","suggested_connections","other_connections"],"additionalProperties":false,"properties":{
  "matched_connections":{"type":"array","items":{"$ref":"#/components/schemas/MatchedConnection"}},
  "suggested_connections":{"type":"array","items":{"$ref":"#/components/schemas/SuggestedConnection"}},
  "other_connections":{"type":"array","items":{"$ref":"#/components/schemas/MatchedConnection"}}}}}}},@bodyErrors,@errors}}},
"@org/connections/{id}":{@orgId,@connectionId,
 "put":{"operationId":"replaceConnection","tags":["connections"],@updateConnection},
 "patch":{"operationId":"updateConnection","tags":["connections"],@updateConnection},
 "delete":{"operationId":"removeConnection","tags":["connections"],"summary":"Remove a connection and all its rows","description":"Takes the role admin.","responses":{
  "200":{"description":"It is gone as of this version","headers":{@id,@digest},"content":{"application/json":{"schema":{"type":"object","required":["connection_id","version"],"additionalProperties":false,"properties":{"connection_id":@uuid,"version":@count}}}}},
  "404":{"$ref":"#/components/responses/NotFound"},@errors}}},
"@org/connections/{id}/artifacts":{@orgId,@connectionId,"put":{"operationId":"pushArtifacts","tags":["push"],"summary":"Push a dbt project's artifacts","description":"Takes the role admin, or an API token with the scope push. By curl: curl -X PUT -F manifest=@target/manifest.json -F catalog=@target/catalog.json, or curl -T target/manifest.json. A manifest whose metadata.tideline.producer is project (tideline push --project writes it) was made of a project's sources without dbt and takes nothing from what dbt's own brought. The body may be gzip or zstd (Content-Encoding). What a refused push would have changed stays as it was.",
 "parameters":[@pushParameters],@pushBody}},
"@org/artifacts":{@orgId,"put":{"operationId":"pushArtifactsByName","tags":["push"],"summary":"Push a dbt project's artifacts for the connection of that name; the first push registers it","description":"As pushing to …/connections/{id}/artifacts.",
 "parameters":[
  {"name":"full_name","in":"query","required":true,"description":"owner/repo","schema":{"type":"string","minLength":1,"maxLength":512}},
  {"name":"type","in":"query","description":"github, gitlab, git, local …; without it, the connection of that name whatever its type, and a new one is git","schema":{"type":"string","pattern":"^([a-z][a-z0-9_-]{0,31})?$"}},
  {"name":"subdir","in":"query","description":"Folder of the project in a monorepo","schema":{"type":"string","maxLength":512,"default":""}},
  @pushParameters],@pushBody}},
"@org/documentation":{@orgId,
 "get":{"operationId":"readDocumentation","tags":["sync"],"summary":"Documents of the organization's objects",
  "parameters":[{"$ref":"#/components/parameters/connectionIds"},
   {"name":"object_ids","in":"query","description":"Repeated, or separated by commas; none: all","style":"form","explode":true,"schema":{"type":"array","items":{"type":"string","format":"uuid"}}}],
  "responses":{"200":{"description":"By the object's name","headers":{@id,@cached},"content":{"application/json":{"schema":{"type":"object","required":["documentation"],"additionalProperties":false,"properties":{"documentation":{"type":"array","items":{"$ref":"#/components/schemas/Documentation"}}}}}}},
  "304":{"$ref":"#/components/responses/NotModified"},@errors}},
 "put":{"operationId":"writeDocumentation","tags":["push"],"summary":"Write documents of objects, in one version","description":"Each item is the whole document of its object. Takes the role admin, or an API token with the scope documentation or push.",
  "requestBody":{"required":true,"content":{"application/json":{"schema":{"type":"object","required":["documentation"],"properties":{"documentation":{"type":"array","maxItems":10000,"items":{"$ref":"#/components/schemas/DocumentationItem"}}}}}}},
  "responses":{"200":{"description":"What came of it: `unknown` lists the items whose object is not there","headers":{@id,@digest},"content":{"application/json":{"schema":{"type":"object","required":["version","added","updated","unchanged","unknown"],"additionalProperties":false,"properties":{"version":@count,"added":@count,"updated":@count,"unchanged":@count,"unknown":{"type":"array","items":{"type":"object","additionalProperties":false,"properties":{"object_id":@uuid,"connection_id":@uuid,"unique_id":{"type":"string"}}}}}}}}},@bodyErrors,@errors}}},
"@org/ide-sessions":{@orgId,
 "get":{"operationId":"listSessions","tags":["sessions"],"summary":"One's own sessions; for an admin, all","responses":{
  "200":{"description":"Latest first","headers":{@id,@cached,@digest},"content":{"application/json":{"schema":{"type":"object","required":["sessions"],"additionalProperties":false,"properties":{"sessions":{"type":"array","items":{"$ref":"#/components/schemas/Session"}}}}}}},
  "304":{"$ref":"#/components/responses/NotModified"},@errors}},
 "post":{"operationId":"registerSession","tags":["sessions"],"summary":"Register an editor's session; the same workspace again is the same session",
  "requestBody":{"required":true,"content":{"application/json":{"schema":{"type":"object","required":["workspace_identifier"],"properties":{
   "workspace_identifier":{"type":"string","minLength":1,"maxLength":1024},
   "workspace_hash":{"type":["string","null"],"maxLength":256},
   "ide_version":{"type":["string","null"],"maxLength":256},
   "sync_mode":{"enum":["workspace-aware","manual","sync-all",null],"default":"workspace-aware"},
   "connection_ids":{"type":["array","null"],"maxItems":10000,"items":@uuid}}}}}},
  "responses":{"200":{"description":"Registered","headers":{@id,@digest},"content":{"application/json":{"schema":{"type":"object","required":["session_id","message","token_expires_at"],"additionalProperties":false,"properties":{"session_id":@uuid,"message":{"const":"Session registered successfully"},"token_expires_at":{"type":["string","null"],"format":"date-time","description":"Of the token this was asked with; null: it holds until it is revoked"}}}}}},@bodyErrors,@errors}}},
"@org/ide-sessions/{id}":{@orgId,"patch":{"operationId":"updateSession","tags":["sessions"],"summary":"Report on one's own session",
 "parameters":[{"name":"id","in":"path","required":true,"schema":{"type":"string","format":"uuid"}}],
 "requestBody":{"required":true,"content":{"application/json":{"schema":{"type":"object","properties":{
  "total_objects_synced":{"type":["integer","null"],"minimum":0,"maximum":9007199254740991},
  "sync_status":{"enum":["active","inactive","error",null]},
  "error_message":{"type":["string","null"],"maxLength":4096,"description":"null or empty: none any more"},
  "synced_version":{"type":["integer","null"],"minimum":0,"maximum":9007199254740991},
  "connection_versions":{"type":["object","null"],"maxProperties":10000,"description":"Versions by the ids of connections","additionalProperties":{"type":"integer","minimum":0,"maximum":9007199254740991}}}}}}},
 "responses":{"200":{"description":"The session as it is now","headers":{@id,@digest},"content":{"application/json":{"schema":{"$ref":"#/components/schemas/Session"}}}},
 "404":{"$ref":"#/components/responses/NotFound"},@bodyErrors,@errors}}}
},
)json";

constexpr std::string_view kComponents = R"json("components":{
"securitySchemes":{"bearer":{"type":"http","scheme":"bearer","description":"A JWT, or an API token (tdl_…)"}},
"parameters":{
 "orgId":{"name":"orgId","in":"path","required":true,"description":"The organization","schema":{"type":"string","format":"uuid"}},
 "connectionId":{"name":"id","in":"path","required":true,"description":"The connection","schema":{"type":"string","format":"uuid"}},
 "connectionIds":{"name":"connection_ids","in":"query","description":"Repeated, or separated by commas; none: all. Unknown ones are ignored.","style":"form","explode":true,"schema":{"type":"array","items":{"type":"string","format":"uuid"}}}},
"headers":{
 "RequestId":{"description":"Names this request in the server's log; the client's own X-Request-Id where it sent one","schema":{"type":"string"}},
 "ETag":{"description":"Of this representation, whoever asks","schema":{"type":"string"}},
 "CacheControl":{"schema":{"const":"private, no-cache"}},
 "NoStore":{"schema":{"const":"no-store"}},
 "Vary":{"schema":{"type":"string"}},
 "UnencodedDigest":{"description":"SHA-256 of the body before any content coding (draft-ietf-httpbis-unencoded-digest)","schema":{"type":"string","pattern":"^sha-256=:[A-Za-z0-9+/]{43}=:$"}},
 "RetryAfter":{"description":"Seconds","schema":{"type":"string","pattern":"^[0-9]+$"}},
 "Challenge":{"schema":{"type":"string","pattern":"^Bearer"}},
 "Allow":{"schema":{"type":"string"}}},
"responses":{
 "NotModified":{"description":"The client has it (If-None-Match)","headers":{@id,@cached}},
 @problem(BadRequest,Parameters or the body are not as they should be: one entry of `errors` per bad parameter),
 "Unauthenticated":{"description":"No token or none that holds","headers":{@id,"Cache-Control":{"$ref":"#/components/headers/NoStore"},"WWW-Authenticate":{"required":true,"$ref":"#/components/headers/Challenge"}},"content":{"application/problem+json":{"schema":{"$ref":"#/components/schemas/Problem"}}}},
 @problem(Forbidden,Not a member of the organization - the same whether it exists or not - or a member without the right),
 @problem(NotFound,What the path names is not there),
 "NotAllowed":{"description":"Another method","headers":{@id,"Cache-Control":{"$ref":"#/components/headers/NoStore"},"Allow":{"required":true,"$ref":"#/components/headers/Allow"}},"content":{"application/problem+json":{"schema":{"$ref":"#/components/schemas/Problem"}}}},
 @problem(NotAcceptable,The Accept or Accept-Encoding header excludes what there is),
 @problem(Timeout,The request did not arrive in time),
 @problem(Conflict,The state forbids it: a name is taken or the artifact is older than the one accepted before),
 "Gone":{"description":"The way on from this cursor is closed; `code` says why: epoch, below_floor, ahead, fork, schema, connection_removed","headers":{@id,"Cache-Control":{"$ref":"#/components/headers/NoStore"}},"content":{"application/problem+json":{"schema":{"$ref":"#/components/schemas/Problem"}}}},
 @problem(TooLarge,Larger than the limit the message names),
 @problem(TargetTooLong,The path and query are too long),
 @problem(UnsupportedMedia,Content-Type or Content-Encoding is not one this path takes),
 @problem(Unprocessable,An artifact of a schema version that is not known),
 @problem(HeadersTooLarge,The header is too large),
 @problem(OutOfDisk,The server has no room for the upload),
 "Unavailable":{"description":"Not just now: try again","headers":{@id,"Cache-Control":{"$ref":"#/components/headers/NoStore"},"Retry-After":{"required":true,"$ref":"#/components/headers/RetryAfter"}},"content":{"application/problem+json":{"schema":{"$ref":"#/components/schemas/Problem"}}}}},
"schemas":{
 "Problem":{"type":"object","required":["type","title","status","detail","message","request_id"],"additionalProperties":false,"properties":{
  "type":{"const":"about:blank"},"title":{"type":"string"},"status":{"type":"integer","minimum":400,"maximum":599},"detail":{"type":"string"},
  "message":{"type":"string","description":"As detail"},"code":{"type":"string"},"hint":{"type":"string","description":"What to do about it"},"request_id":{"type":"string"},
  "errors":{"type":"array","minItems":1,"items":{"type":"object","required":["parameter","message"],"additionalProperties":false,"properties":{"parameter":{"type":"string"},"message":{"type":"string"}}}}}},
 "ListedConnection":{"type":"object","required":["id","type","name","full_name","subdir","url","status","object_count","last_extracted_at","last_error","sources","lineage"],"additionalProperties":false,"properties":{@connectionSummary,"url":@text,"last_error":{"type":["string","null"],"description":"Why the last push was refused, where it was"},"sources":{"type":"object","description":"What brought the facts that stand: manifest, compiled, catalog","additionalProperties":{"type":"object"}},
  "lineage":{"type":["object","null"],"description":"Column lineage of the models and snapshots at the last push: how many were analysed in full, in part, not at all; and why, by reason, in how many of them","required":["models","analysed","partial","failed","reasons"],"additionalProperties":false,"properties":{"models":@count,"analysed":@count,"partial":@count,"failed":@count,"reasons":{"type":"object","additionalProperties":@count}}}}},
 "MatchedConnection":{"type":"object","required":["id","type","name","full_name","subdir","status","object_count","last_extracted_at"],"additionalProperties":false,"properties":{@connectionSummary}},
 "SuggestedConnection":{"type":"object","required":["id","type","name","full_name","subdir","status","object_count","last_extracted_at","reason"],"additionalProperties":false,"properties":{@connectionSummary,"reason":{"type":"string"}}},
 "WrittenConnection":{"type":"object","required":["connection","version"],"additionalProperties":false,"properties":{"version":@count,"connection":{"type":"object","required":["id","type","name","full_name","subdir","url","aliases","status","last_error","object_count","last_extracted_at","created_at","updated_at"],"additionalProperties":false,"properties":{@connectionSummary,"url":@text,"aliases":{"type":"array","items":{"type":"string"},"description":"Former full names, oldest first"},"last_error":@text,"created_at":@time,"updated_at":@time}}}},
 "Pushed":{"type":"object","required":["connection_id","version","changed","lineage","warnings"],"additionalProperties":false,"properties":{"connection_id":@uuid,"version":@count,
  "changed":{"type":"object","description":"Tables without a change are left out","propertyNames":{"enum":["connections","files","objects","columns","dependencies","columns_lineage","documentation"]},"additionalProperties":{"type":"object","required":["added","updated","removed"],"additionalProperties":false,"properties":{"added":@count,"updated":@count,"removed":@count}}},
  "lineage":{"type":"object","description":"Column lineage of the models and snapshots: how many were analysed in full, in part, not at all; and why, by reason, in how many of them","required":["models","analysed","partial","failed","reasons"],"additionalProperties":false,"properties":{"models":@count,"analysed":@count,"partial":@count,"failed":@count,"reasons":{"type":"object","additionalProperties":@count}}},
  "warnings":{"type":"array","items":{"type":"string"}}}},
 "Session":{"type":"object","required":["id","user_id","user_email","workspace_identifier","workspace_hash","ide_version","sync_mode","connection_ids","last_sync_at","synced_version","connection_versions","sync_status","total_objects_synced","error_message","last_error","last_error_at","created_at","updated_at"],"additionalProperties":false,"properties":{
  "id":@uuid,"organization_id":@uuid,"user_id":@uuid,"user_email":{"type":["string","null"],"description":"null: none, or not a member any more"},"workspace_identifier":{"type":"string"},"workspace_hash":@text,"ide_version":@text,"sync_mode":{"enum":["workspace-aware","manual","sync-all"]},"connection_ids":{"type":["array","null"],"items":@uuid},
  "last_sync_at":@maybeTime,"synced_version":{"type":["integer","null"],"minimum":0,"description":"The organization's version the replica is at"},"connection_versions":{"type":["object","null"],"description":"By connection, the version of it the replica holds","additionalProperties":@count},
  "sync_status":{"enum":["active","inactive","error"]},"total_objects_synced":@count,"error_message":{"type":["string","null"],"description":"What is wrong now"},"last_error":{"type":["string","null"],"description":"What was wrong last, also when all is well again"},"last_error_at":@maybeTime,"created_at":@time,"updated_at":@time}},
 "SyncPackage":{"type":"object","required":["metadata","documentation","sync_metadata"],"additionalProperties":false,"properties":{
  "metadata":{"type":"object","required":["files","objects","columns","dependencies","columns_lineage"],"additionalProperties":false,"properties":{
   "files":{"type":"array","items":{"$ref":"#/components/schemas/File"}},"objects":{"type":"array","items":{"$ref":"#/components/schemas/Object"}},"columns":{"type":"array","items":{"$ref":"#/components/schemas/Column"}},
   "dependencies":{"type":"array","items":{"$ref":"#/components/schemas/Dependency"}},"columns_lineage":{"type":"array","items":{"$ref":"#/components/schemas/ColumnLineage"}}}},
  "documentation":{"type":"array","items":{"$ref":"#/components/schemas/Documentation"}},
  "deleted":{"type":"object","description":"Of incremental answers","required":["files","objects","columns","dependencies","columns_lineage","documentation","connections"],"additionalProperties":false,"properties":{"files":@uuids,"objects":@uuids,"columns":@uuids,"dependencies":@uuids,"columns_lineage":@uuids,"documentation":@uuids,"connections":@uuids}},
  "sync_metadata":{"type":"object","required":["organization_id","connection_ids","object_count","file_count","timestamp","incremental"],"additionalProperties":false,"properties":{
   "organization_id":@uuid,"connection_ids":{"type":["array","null"],"items":@uuid,"description":"Those used; null: all"},"object_count":@count,"file_count":@count,"timestamp":@time,"incremental":{"type":"boolean"}}}}},
 "File":{"type":"object",@closed,"properties":{"id":@uuid,"repository_id":@uuid,"organization_id":@uuid,"connection_id":@uuid,"relative_path":{"type":"string"},"absolute_path":@text,"file_type":{"type":"string"},"dialect":@text,"size_bytes":{"type":["integer","null"],"minimum":0},"file_hash":@text,"parsed_at":@time,"parser_used":{"type":"string"},"parse_confidence":@confidence,"created_at":@time,"updated_at":@time,"row_version":@count},
  "required":["id","repository_id","organization_id","connection_id","relative_path","absolute_path","file_type","dialect","size_bytes","file_hash","parsed_at","parser_used","parse_confidence","created_at","updated_at"]},
 "Object":{"type":"object",@closed,"properties":{"id":@uuid,"file_id":{"type":["string","null"],"format":"uuid"},"repository_id":@uuid,"organization_id":@uuid,"connection_id":@uuid,"name":{"type":"string"},"schema_name":@text,"database_name":@text,"full_name":{"type":"string"},
  "object_type":{"enum":["model","seed","snapshot","source","exposure","analysis","test","unit_test","metric","semantic_model","saved_query","macro","operation"]},"definition":@text,"compiled_definition":@text,"description":@text,"metadata":{"type":"object"},"line_start":{"type":["integer","null"]},"line_end":{"type":["integer","null"]},"content_hash":@text,"confidence":@confidence,"extracted_from":{"type":"string"},"extraction_tier":{"enum":["GOLD","SILVER","BRONZE"]},"compiled_as_of":@maybeTime,"catalog_as_of":@maybeTime,"created_at":@time,"updated_at":@time,"row_version":@count},
  "required":["id","file_id","repository_id","organization_id","connection_id","name","schema_name","database_name","full_name","object_type","definition","compiled_definition","description","metadata","line_start","line_end","content_hash","confidence","extracted_from","extraction_tier","created_at","updated_at"]},
 "Column":{"type":"object",@closed,"properties":{"id":@uuid,"object_id":@uuid,"organization_id":@uuid,"connection_id":@uuid,"name":{"type":"string"},"data_type":@text,"is_nullable":{"type":["boolean","null"]},"is_primary_key":{"type":"boolean"},"is_foreign_key":{"type":"boolean"},"default_value":@text,"description":@text,"position":{"type":"integer"},"metadata":{"type":"object"},"updated_at":@time,"row_version":@count},
  "required":["id","object_id","name","data_type","is_nullable","is_primary_key","is_foreign_key","default_value","description","position","metadata"]},
 "Dependency":{"type":"object",@closed,"properties":{"id":@uuid,"organization_id":@uuid,"connection_id":@uuid,"source_object_id":@uuid,"target_object_id":@uuid,"dependency_type":{"type":"string"},"column_level":{"type":"boolean"},"source_column":@text,"target_column":@text,"expression":@text,"confidence":@confidence,"metadata":{"type":"object"},"source_connection_id":@uuid,"source_full_name":{"type":"string"},"updated_at":@time,"row_version":@count},
  "required":["id","source_object_id","target_object_id","dependency_type","column_level","source_column","target_column","expression","confidence","metadata","source_connection_id","source_full_name"]},
 "ColumnLineage":{"type":"object",@closed,"properties":{"id":@uuid,"organization_id":@uuid,"connection_id":@uuid,"source_object_id":@uuid,"source_column":{"type":"string"},"target_object_id":@uuid,"target_column":{"type":"string"},"expression":@text,"transformation_type":{"enum":["direct","renamed","calculated","aggregated","window","joined","filtered","grouped","ordered"]},"confidence":@confidence,"extracted_from":{"type":"string"},"metadata":{"type":"object"},"source_connection_id":@uuid,"source_full_name":{"type":"string"},"updated_at":@time,"row_version":@count},
  "required":["id","source_object_id","source_column","target_object_id","target_column","expression","transformation_type","confidence","extracted_from","metadata","source_connection_id","source_full_name"]},
 "Documentation":{"type":"object",@closed,"properties":{"id":@uuid,"object_id":@uuid,"organization_id":@uuid,"connection_id":@uuid,"executive_summary":@text,"business_narrative":@text,"transformation_cards":{},"code_explanations":{},"business_rules":{},"impact_analysis":{},"generated_at":@maybeTime,"model":@text,"doc_version":@text,"extra":{"type":["object","null"],"description":"Members the generator sent that have no name here"},"updated_at":@time,"row_version":@count,
  "objects":{"type":"object","required":["name","full_name","object_type","files"],"additionalProperties":false,"properties":{"name":{"type":"string"},"full_name":{"type":"string"},"object_type":{"type":"string"},"files":{"type":["object","null"],"required":["relative_path"],"additionalProperties":false,"properties":{"relative_path":{"type":"string"}}}}}},
  "required":["id","object_id","executive_summary","business_narrative","transformation_cards","code_explanations","business_rules","impact_analysis","generated_at","model","doc_version"]},
 "DocumentationItem":{"type":"object","description":"Names its object by object_id, or by connection_id and unique_id. Members without a name here are kept as they came.","anyOf":[{"required":["object_id"]},{"required":["connection_id","unique_id"]}],"properties":{"object_id":@uuid,"connection_id":@uuid,"unique_id":{"type":"string","maxLength":2048},"executive_summary":@text,"business_narrative":@text,"transformation_cards":{},"code_explanations":{},"business_rules":{},"impact_analysis":{},"generated_at":{"type":["string","null"],"format":"date-time"},"model":{"type":["string","null"],"maxLength":256},"doc_version":{"type":["string","null"],"maxLength":256}}}
}}}
)json";

using Shared = std::pair<std::string_view, std::string_view>;

// Later ones may stand in earlier ones.
constexpr auto kShared = std::to_array<Shared>({
    {"@orgId,", R"("parameters":[{"$ref":"#/components/parameters/orgId"}],)"},
    {"@org", "/api/metadata-sync/organizations/{orgId}"},
    {"@updateConnection",
     R"json("summary":"Rename or update a connection: a former full_name stays an alias","description":"What is absent stays as it is; PUT and PATCH are the same. Takes the role admin.",
  "requestBody":{"required":true,"content":{"application/json":{"schema":{"type":"object","properties":{
   "type":{"type":["string","null"],"pattern":"^[a-z][a-z0-9_-]{0,31}$","description":"As it is: it cannot be changed"},
   "full_name":{"type":["string","null"],"minLength":1,"maxLength":512},"name":{"type":["string","null"],"minLength":1,"maxLength":512},"subdir":{"type":["string","null"],"maxLength":512},
   "url":{"type":["string","null"],"maxLength":2048,"description":"null or empty: none any more"}}}}}},
  "responses":{"200":{"description":"As it is now, and the version of the organization","headers":{@id,@digest},"content":{"application/json":{"schema":{"$ref":"#/components/schemas/WrittenConnection"}}}},
  "404":{"$ref":"#/components/responses/NotFound"},"409":{"$ref":"#/components/responses/Conflict"},@bodyErrors,@errors})json"},
    {"@pushParameters",
     R"json({"name":"force","in":"query","description":"Take a manifest older than the one accepted before","schema":{"type":"boolean","default":false}},
  {"name":"commit","in":"query","schema":{"type":"string","maxLength":256}},{"name":"branch","in":"query","schema":{"type":"string","maxLength":256}},
  {"name":"url","in":"query","description":"Of the repository, without user name and token","schema":{"type":"string","maxLength":2048}})json"},
    {"@pushBody", R"json("requestBody":{"required":true,"content":{
  "multipart/form-data":{"schema":{"type":"object","required":["manifest"],"properties":{"manifest":{"type":"string","contentMediaType":"application/json","description":"manifest.json, schema v1 to v12"},"catalog":{"type":"string","contentMediaType":"application/json","description":"catalog.json"},"force":{"type":"boolean"},"commit":{"type":"string"},"branch":{"type":"string"},"url":{"type":"string"}}}},
  "application/json":{"schema":{"type":"object","description":"manifest.json itself"}}}},
 "responses":{"200":{"description":"Accepted: the version it made, or the one there is when nothing changed","headers":{@id,@digest},"content":{"application/json":{"schema":{"$ref":"#/components/schemas/Pushed"}}}},
 "404":{"$ref":"#/components/responses/NotFound"},"409":{"$ref":"#/components/responses/Conflict"},"422":{"$ref":"#/components/responses/Unprocessable"},"507":{"$ref":"#/components/responses/OutOfDisk"},@bodyErrors,@errors})json"},
    {"@connectionId,", ""},
    {"@kind",
     R"json({"name":"kind","in":"query","required":true,"description":"1 connection, 2 file, 3 object, 4 column, 5 dependency, 6 column lineage, 7 documentation","schema":{"type":"integer","minimum":1,"maximum":7}})json"},
    {"@atLeast",
     R"json({"name":"at_least","in":"query","description":"A version of the organization the client has seen: an older state is not an answer","schema":{"type":"integer","minimum":0,"maximum":9007199254740991,"default":0}})json"},
    {"@bodyErrors",
     R"("413":{"$ref":"#/components/responses/TooLarge"},"415":{"$ref":"#/components/responses/UnsupportedMedia"})"},
    {"@publicErrors",
     R"("400":{"$ref":"#/components/responses/BadRequest"},"405":{"$ref":"#/components/responses/NotAllowed"},"408":{"$ref":"#/components/responses/Timeout"},"414":{"$ref":"#/components/responses/TargetTooLong"},"431":{"$ref":"#/components/responses/HeadersTooLarge"})"},
    {"@errors",
     R"("400":{"$ref":"#/components/responses/BadRequest"},"401":{"$ref":"#/components/responses/Unauthenticated"},"403":{"$ref":"#/components/responses/Forbidden"},"405":{"$ref":"#/components/responses/NotAllowed"},"406":{"$ref":"#/components/responses/NotAcceptable"},"408":{"$ref":"#/components/responses/Timeout"},"414":{"$ref":"#/components/responses/TargetTooLong"},"431":{"$ref":"#/components/responses/HeadersTooLarge"},"503":{"$ref":"#/components/responses/Unavailable"})"},
    {"@connectionSummary",
     R"("id":@uuid,"type":{"type":"string"},"name":{"type":"string"},"full_name":{"type":"string"},"subdir":{"type":"string","description":"Folder of the project in a monorepo, or empty"},"status":{"enum":["connected","extracting","completed","error"]},"object_count":@count,"last_extracted_at":@maybeTime)"},
    {"@closed", R"("additionalProperties":false)"},
    {"@cached",
     R"("ETag":{"$ref":"#/components/headers/ETag"},"Cache-Control":{"$ref":"#/components/headers/CacheControl"},"Vary":{"$ref":"#/components/headers/Vary"})"},
    {"@digest", R"("Unencoded-Digest":{"required":true,"$ref":"#/components/headers/UnencodedDigest"})"},
    {"@confidence", R"({"type":"number","minimum":0,"maximum":1})"},
    {"@maybeTime", R"({"type":["string","null"],"format":"date-time"})"},
    {"@time", R"({"type":"string","format":"date-time"})"},
    {"@count", R"({"type":"integer","minimum":0})"},
    {"@text", R"({"type":["string","null"]})"},
    {"@uuids", R"({"type":"array","items":@uuid})"},
    {"@uuid", R"({"type":"string","format":"uuid"})"},
    {"@id", R"("X-Request-Id":{"$ref":"#/components/headers/RequestId"})"},
});

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

// "@problem(Name,Description)": an error answer without headers of its own.
void expand_problems(std::string& text) {
  constexpr std::string_view kMark = "@problem(";
  for (std::size_t at = 0; (at = text.find(kMark, at)) != std::string::npos;) {
    const std::size_t comma = text.find(',', at);
    const std::size_t end = text.find(')', comma);
    const std::string name = text.substr(at + kMark.size(), comma - at - kMark.size());
    const std::string description = text.substr(comma + 1, end - comma - 1);
    const std::string expanded =
        '"' + name + R"(":{"description":")" + description +
        R"(","headers":{@id,"Cache-Control":{"$ref":"#/components/headers/NoStore"}},"content":{"application/problem+json":{"schema":{"$ref":"#/components/schemas/Problem"}}}})";
    text.replace(at, end + 1 - at, expanded);
    at += expanded.size();
  }
}

std::string build() {
  std::string text;
  text += kHead;
  text += kPaths;
  text += kComponents;
  // The two path parameters of a connection's paths stand in one list.
  replace_all(
      text, "@orgId,@connectionId,",
      R"("parameters":[{"$ref":"#/components/parameters/orgId"},{"$ref":"#/components/parameters/connectionId"}],)");
  expand_problems(text);
  for (const auto& [name, expansion] : kShared) replace_all(text, name, expansion);
  return text;
}

}  // namespace

std::string_view openapi_document() {
  static const std::string document = build();
  return document;
}

}  // namespace tideline::server
