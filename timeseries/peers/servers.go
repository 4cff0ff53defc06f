package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// A week in some 2,000 steps; a whole number of points, so that every server has the same.
const bucket = 300 * time.Second

const password = "Bench-Mark-Only-1"

// xively takes CSV, the form its devices send, a series a request.
func xively() *peer {
	base := fmt.Sprintf("http://127.0.0.1:%d", *port)
	data := func(p *peer, sensor int) string { return base + "/api/v4/data/" + p.topics[sensor] }
	span := func(began int64) string {
		return fmt.Sprintf("startDateTime=%d&endDateTime=%d", began, began+int64(*points)*step-1)
	}
	return &peer{name: "xively",
		start: func(p *peer) (*exec.Cmd, error) {
			init := exec.Command(*program, "init", "--data", p.dir, "--email", "ops@example.com", "--password-stdin", "--json")
			init.Stdin = strings.NewReader(password + "\n")
			out, err := init.Output()
			var account struct{ AccountID string }
			if err == nil {
				err = json.Unmarshal(out, &account)
			}
			if err != nil {
				return nil, err
			}
			env := []string{"XIVELY_LISTEN_LOCAL=" + base[7:], "XIVELY_LISTEN_TLS=", "XIVELY_LISTEN_MQTTS="}
			cmd, err := p.spawn(base+"/healthz", env, *program, "serve", "--data", p.dir)
			if err != nil {
				return nil, err
			}
			return cmd, p.provision(base, account.AccountID)
		},
		ingest: func(p *peer, data [][]sample, began int64) error {
			var buf []byte
			for i, values := range data {
				for from := 0; from < len(values); from += batch {
					buf = buf[:0]
					for k := from; k < min(from+batch, len(values)); k++ {
						buf = fmt.Appendf(buf, "%d,temp,", began+int64(k)*step)
						buf = append(values[k].append(buf), ',', '\n')
					}
					if _, err := p.do("POST", base+"/api/v4/data/"+p.topics[i], "text/csv", buf); err != nil {
						return err
					}
				}
			}
			return nil
		},
		queries: []query{
			{"means of 5 minutes", func(p *peer, sensor int, began int64) string {
				return data(p, sensor) + "?" + span(began) + "&interval=5m&aggregate=avg"
			}},
			{"2,000 points (LTTB)", func(p *peer, sensor int, began int64) string {
				return data(p, sensor) + "?" + span(began) + "&points=2000"
			}},
		},
	}
}

// provision signs in and makes a template and devices.
func (p *peer) provision(base, account string) error {
	call := func(path string, body map[string]any) (map[string]any, error) {
		text, _ := json.Marshal(body)
		answer, err := p.do("POST", base+"/api/v1"+path, "application/json", text)
		var object map[string]any
		if err == nil {
			err = json.Unmarshal(answer, &object)
		}
		return object, err
	}
	in, err := call("/auth/login-user", map[string]any{"emailAddress": "ops@example.com", "password": password, "accountId": account})
	if err != nil {
		return err
	}
	p.token = in["jwt"].(string)
	made, err := call("/devices/templates", map[string]any{"accountId": account, "name": "Sensor"})
	if err != nil {
		return err
	}
	template := made["deviceTemplate"].(map[string]any)["id"]
	if _, err = call("/channels/templates", map[string]any{"accountId": account, "entityId": template, "entityType": "deviceTemplate",
		"name": "temp", "persistenceType": "timeSeries"}); err != nil {
		return err
	}
	for i := range *series {
		made, err := call("/devices", map[string]any{"accountId": account, "deviceTemplateId": template, "serialNumber": fmt.Sprint("s", i)})
		if err != nil {
			return err
		}
		id := made["device"].(map[string]any)["id"].(string)
		p.topics = append(p.topics, "xi/blue/v1/"+account+"/d/"+id+"/temp")
	}
	return nil
}

// influx takes its line protocol, a series a request. It is told to compact soon, not after hours.
func influx() *peer {
	base := fmt.Sprintf("http://127.0.0.1:%d", *port+1)
	return &peer{name: "influxdb",
		start: func(p *peer) (*exec.Cmd, error) {
			env := []string{"INFLUXDB_HTTP_BIND_ADDRESS=" + base[7:], fmt.Sprintf("INFLUXDB_BIND_ADDRESS=127.0.0.1:%d", *port+2),
				"INFLUXDB_DATA_DIR=" + p.dir + "/data", "INFLUXDB_DATA_WAL_DIR=" + p.dir + "/wal", "INFLUXDB_META_DIR=" + p.dir + "/meta",
				"INFLUXDB_REPORTING_DISABLED=true", "INFLUXDB_MONITOR_STORE_ENABLED=false", "INFLUXDB_HTTP_LOG_ENABLED=false",
				"INFLUXDB_DATA_CACHE_SNAPSHOT_WRITE_COLD_DURATION=3s", "INFLUXDB_DATA_COMPACT_FULL_WRITE_COLD_DURATION=5s"}
			cmd, err := p.spawn(base+"/ping", env, "influxd", "-config", "/dev/null")
			if err != nil {
				return nil, err
			}
			_, err = p.do("POST", base+"/query?q="+url.QueryEscape("CREATE DATABASE b"), "", nil)
			return cmd, err
		},
		ingest: func(p *peer, data [][]sample, began int64) error {
			var buf []byte
			for i, values := range data {
				for from := 0; from < len(values); from += batch {
					buf = buf[:0]
					for k := from; k < min(from+batch, len(values)); k++ {
						buf = fmt.Appendf(buf, "temp,device=s%d value=", i)
						buf = fmt.Appendf(values[k].append(buf), " %d\n", began+int64(k)*step)
					}
					if _, err := p.do("POST", base+"/write?db=b&precision=ms", "", buf); err != nil {
						return err
					}
				}
			}
			return nil
		},
		queries: []query{{"means of 5 minutes", func(_ *peer, sensor int, began int64) string {
			q := fmt.Sprintf("SELECT mean(value) FROM temp WHERE device='s%d' AND time >= %dms AND time < %dms GROUP BY time(%ds)",
				sensor, began, began+int64(*points)*step, int(bucket.Seconds()))
			return base + "/query?db=b&epoch=ms&q=" + url.QueryEscape(q)
		}}},
	}
}

// prometheus takes remote writes, all series a request in order of time: it wants no backfill.
func prometheus() *peer {
	base := fmt.Sprintf("http://127.0.0.1:%d", *port+3)
	return &peer{name: "prometheus",
		start: func(p *peer) (*exec.Cmd, error) {
			return p.spawn(base+"/-/ready", nil, "prometheus", "--config.file=/dev/null", "--storage.tsdb.path="+p.dir+"/tsdb",
				"--web.listen-address="+base[7:], "--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=10y", "--log.level=warn")
		},
		ingest: func(p *peer, data [][]sample, began int64) error {
			per := max(1, batch/len(data))
			for from := 0; from < *points; from += per {
				var request []byte
				for i, values := range data {
					var ts []byte
					for _, label := range [][2]string{{"__name__", "temp"}, {"device", fmt.Sprint("s", i)}} {
						ts = message(ts, 1, text(text(nil, 1, label[0]), 2, label[1]))
					}
					for k := from; k < min(from+per, *points); k++ {
						s := binary.LittleEndian.AppendUint64([]byte{1<<3 | 1}, math.Float64bits(float64(values[k])/10))
						ts = message(ts, 2, binary.AppendUvarint(append(s, 2<<3), uint64(began+int64(k)*step)))
					}
					request = message(request, 1, ts)
				}
				if _, err := p.do("POST", base+"/api/v1/write", "application/x-protobuf", snappy(request)); err != nil {
					return err
				}
			}
			return nil
		},
		queries: []query{{"means of 5 minutes", func(_ *peer, sensor int, began int64) string {
			q := fmt.Sprintf(`avg_over_time(temp{device="s%d"}[%ds])`, sensor, int(bucket.Seconds()))
			return fmt.Sprintf("%s/api/v1/query_range?query=%s&start=%d&end=%d&step=%d", base, url.QueryEscape(q),
				began/1000+int64(bucket.Seconds()), (began+int64(*points)*step)/1000, int(bucket.Seconds()))
		}}},
	}
}

// message and text append a field of a protobuf message.
func message(buf []byte, field int, body []byte) []byte {
	buf = binary.AppendUvarint(append(buf, byte(field<<3|2)), uint64(len(body)))
	return append(buf, body...)
}

func text(buf []byte, field int, s string) []byte { return message(buf, field, []byte(s)) }

// snappy wraps b as a snappy block of literals, which any decoder takes: nothing is compressed, and decoding costs no more.
func snappy(b []byte) []byte {
	out := binary.AppendUvarint(nil, uint64(len(b)))
	for part := range slices.Chunk(b, 1<<16) {
		out = append(out, 61<<2, byte(len(part)-1), byte((len(part)-1)>>8))
		out = append(out, part...)
	}
	return out
}
