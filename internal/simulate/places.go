package simulate

// A city has sites of the company in it. Its weather is that of all devices there.
type city struct {
	region, name, plate string
	latitude, longitude float64
	dice                dice
}

var cities = []city{
	{region: "North", name: "Hamburg", plate: "HH", latitude: 53.551, longitude: 9.994}, {region: "West", name: "Cologne", plate: "K", latitude: 50.938, longitude: 6.960},
	{region: "South", name: "Munich", plate: "M", latitude: 48.137, longitude: 11.576}, {region: "East", name: "Leipzig", plate: "L", latitude: 51.340, longitude: 12.375},
	{region: "North", name: "Copenhagen", plate: "CPH", latitude: 55.676, longitude: 12.568}, {region: "West", name: "Rotterdam", plate: "RTM", latitude: 51.924, longitude: 4.478},
	{region: "South", name: "Milan", plate: "MI", latitude: 45.464, longitude: 9.190}, {region: "East", name: "Prague", plate: "PRG", latitude: 50.076, longitude: 14.437},
	{region: "North", name: "Gothenburg", plate: "GOT", latitude: 57.709, longitude: 11.975}, {region: "West", name: "Lyon", plate: "LYS", latitude: 45.764, longitude: 4.836},
	{region: "South", name: "Barcelona", plate: "BCN", latitude: 41.387, longitude: 2.170}, {region: "East", name: "Warsaw", plate: "WAW", latitude: 52.230, longitude: 21.012},
	{region: "North", name: "Oslo", plate: "OSL", latitude: 59.914, longitude: 10.752}, {region: "West", name: "Manchester", plate: "MAN", latitude: 53.481, longitude: -2.242},
	{region: "South", name: "Lisbon", plate: "LIS", latitude: 38.722, longitude: -9.139}, {region: "East", name: "Budapest", plate: "BUD", latitude: 47.498, longitude: 19.040},
	{region: "Overseas", name: "Boston", plate: "BOS", latitude: 42.360, longitude: -71.059}, {region: "Overseas", name: "Chicago", plate: "CHI", latitude: 41.878, longitude: -87.630},
	{region: "Overseas", name: "São Paulo", plate: "SAO", latitude: -23.551, longitude: -46.633}, {region: "Overseas", name: "Singapore", plate: "SIN", latitude: 1.352, longitude: 103.820},
}

const company = "Northwind Foods"

var (
	firstNames = []string{"Ann", "Ben", "Chiara", "David", "Elif", "Frida", "Goran", "Hanna", "Ivan", "Jana", "Kofi", "Lena", "Marek", "Nora", "Omar", "Petra", "Quentin", "Rosa", "Søren", "Tereza", "Ulla", "Victor", "Wanda", "Yusuf", "Zoë"}
	lastNames  = []string{"Andersen", "Bauer", "Costa", "Dubois", "Eriksen", "Fischer", "García", "Horvat", "Ivanova", "Jansen", "Kowalski", "Larsen", "Moreau", "Novák", "O’Brien", "Petrov", "Rossi", "Schmidt", "Taylor", "Weber"}
	siteKinds  = []string{"Store", "Store", "Store", "Warehouse", "Depot"}
)

func person(d dice) string {
	return firstNames[d.n(len(firstNames))] + " " + lastNames[d.roll(1).n(len(lastNames))]
}
