// Package bench loads an MQTT broker, any MQTT 3.1.1 broker, and measures what that costs: messages per second, the broker's
// processor time for each message, its memory, and latency.
//
// Every scenario is a closed loop: a publisher sends a window of messages and goes on when its receivers have them, so that nothing can be lost
// unnoticed and no broker is praised for what it dropped. The clients are raw sockets with our own codec; they write a window in one
// call and read whatever has arrived, so that the generator is not what is measured. Processor time and memory are read from /proc by
// process id, on the same machine only.
package bench
