-- Ask the verifier whether a request may pass, and who signed it. In haproxy.cfg, after what a client may not send was
-- removed:
--
--     http-request lua.agent ADDRESS:PORT
--     http-request deny deny_status 503 unless { var(txn.agent_passes) -m bool }
--
-- 1. The client's headers go along line by line, but for those that belong to a connection or tell of a body: the
--    question has none.
-- 2. Method, scheme, host, path and query are HAProxy's own word, and replace whatever a client wrote under their names.
-- 3. Only 200 passes. The verifier's headers then become the request's, and txn.agent_passes is set as the last thing,
--    so that whatever goes wrong before ends in a denial.
-- 4. A refusal is handed to the client as it is, 503 with its Retry-After too. No answer, or none that is one, is 503.
--
-- HAProxy 2.6 asks up to four times where no answer comes in time, so the time here counts fourfold at worst.

local NOT_ASKED = {
    "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect",
    "content-length",
}
local TOLD = { "www-authenticate", "accept-signature", "retry-after", "content-type", "x-request-id" }
local TIMEOUT = 1000 -- milliseconds
local AWAY = '{"error":{"status":503,"code":503,"message":"[VERIFIER_AWAY] nobody can be verified now",'
    .. '"reason":"VERIFIER_AWAY","outcome":"unverified"}}'
local FACTS = "^x%-agent%-"

local function question(txn)
    local headers = {}
    for name, lines in pairs(txn.http:req_get_headers()) do
        headers[name] = {}
        for number = 0, #lines do headers[name][number + 1] = lines[number] end
    end
    for _, name in ipairs(NOT_ASKED) do headers[name] = nil end -- (1)
    headers["x-forwarded-method"] = { txn.f:method() } -- (2)
    headers["x-forwarded-proto"] = { txn.f:ssl_fc() == 1 and "https" or "http" }
    headers["x-forwarded-host"] = { txn.f:req_fhdr("host") }
    headers["x-forwarded-uri"] = { txn.f:pathq() }
    return headers
end

local function refuse(txn, answer)
    local status = answer.status
    if status == nil or status < 400 or (status >= 500 and status ~= 503) then -- (4)
        answer = { status = 503, headers = { ["content-type"] = { [0] = "application/json" } }, body = AWAY }
    end
    local reply = txn:reply { status = answer.status, body = answer.body }
    for _, name in ipairs(TOLD) do
        local lines = answer.headers[name]
        if lines then reply:add_header(name, lines[0]) end
    end
    txn:done(reply)
end

core.register_action("agent", { "http-req" }, function(txn, verifier)
    local answer = core.httpclient():get {
        url = "http://" .. verifier .. "/verify/forward-auth", headers = question(txn), timeout = TIMEOUT,
    }
    if answer == nil or answer.status ~= 200 then return refuse(txn, answer or {}) end
    for name, lines in pairs(answer.headers) do -- (3)
        if name:find(FACTS) then txn.http:req_set_header(name, lines[0]) end
    end
    txn:set_var("txn.agent_passes", true)
end, 1)
