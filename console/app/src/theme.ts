import { createTheme, type CSSVariablesResolver, type MantineColorsTuple } from '@mantine/core';

// One accent, one family of greys. The greys are dark enough that dimmed text keeps a contrast of 4.5 on its ground.
const brand: MantineColorsTuple = ['#e7f6f4', '#cfeae7', '#a0d6d1', '#6cc0b9', '#3faaa2', '#22988f', '#12877f', '#0b7a75', '#06625e', '#024b48'];
const gray: MantineColorsTuple = ['#f7f8fa', '#eff1f4', '#e3e7ec', '#d3d9e0', '#b8c1cc', '#7d8896', '#5a6675', '#434e5c', '#2e3744', '#1a212b'];
const dark: MantineColorsTuple = ['#d8dee6', '#b9c2cd', '#98a4b3', '#66738a', '#3c4758', '#2b3441', '#1f2731', '#171d26', '#10151c', '#0b0f15'];

export const theme = createTheme({
  primaryColor: 'brand',
  primaryShade: 7,
  colors: { brand, gray, dark },
  defaultRadius: 'md',
  radius: { xs: '3px', sm: '5px', md: '7px', lg: '10px', xl: '16px' },
  fontFamily: "'Inter Variable', system-ui, -apple-system, 'Segoe UI', sans-serif",
  fontFamilyMonospace: "ui-monospace, 'SF Mono', 'Cascadia Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace",
  fontSizes: { xs: '12px', sm: '13px', md: '14px', lg: '16px', xl: '19px' },
  lineHeights: { xs: '1.4', sm: '1.45', md: '1.5', lg: '1.5', xl: '1.4' },
  headings: {
    fontWeight: '620',
    sizes: { h1: { fontSize: '22px', lineHeight: '1.3' }, h2: { fontSize: '16px', lineHeight: '1.4' }, h3: { fontSize: '14px', lineHeight: '1.4' } },
  },
  cursorType: 'pointer',
  components: {
    Button: { defaultProps: { size: 'sm' } },
    ActionIcon: { defaultProps: { variant: 'subtle', color: 'gray' } },
    TextInput: { defaultProps: { size: 'sm' } },
    Select: { defaultProps: { size: 'sm', comboboxProps: { shadow: 'md' } } },
    Modal: { defaultProps: { centered: true, closeButtonProps: { 'aria-label': 'Close' }, overlayProps: { backgroundOpacity: 0.45 }, transitionProps: { duration: 120 } } },
    Drawer: { defaultProps: { position: 'right', closeButtonProps: { 'aria-label': 'Close' }, overlayProps: { backgroundOpacity: 0.35 }, transitionProps: { duration: 140 } } },
    Tooltip: { defaultProps: { openDelay: 250, withArrow: true, transitionProps: { duration: 80 } } },
    Notification: { defaultProps: { closeButtonProps: { 'aria-label': 'Close' } } },
    Menu: { defaultProps: { shadow: 'md', transitionProps: { duration: 80 } } },
    Alert: {
      vars: (_: unknown, { color }: { color?: string }) => {
        const hue = color === 'red' ? 'var(--x-bad)' : color === 'yellow' ? 'var(--x-warn)' : 'var(--mantine-color-anchor)';
        return { root: { '--alert-bg': `color-mix(in srgb, ${hue} 9%, var(--x-card))`, '--alert-bd': `1px solid color-mix(in srgb, ${hue} 32%, var(--x-card))`, '--alert-color': hue } };
      },
    },
    Anchor: { defaultProps: { underline: 'hover' } },
    Table: { defaultProps: { verticalSpacing: 7, horizontalSpacing: 12 } },
  },
});

// What Mantine has no name for. styles.css uses the same variables.
export const variables: CSSVariablesResolver = (t) => ({
  variables: {},
  light: {
    '--mantine-color-body': '#ffffff',
    '--mantine-color-text': t.colors.gray[9],
    '--mantine-color-dimmed': t.colors.gray[6],
    '--mantine-color-placeholder': t.colors.gray[6],
    '--mantine-color-anchor': t.colors.brand[7],
    '--mantine-color-error': '#c0262d',
    '--x-ground': '#f5f6f8',
    '--x-card': '#ffffff',
    '--x-line': t.colors.gray[2],
    '--x-hover': '#f2f5f7',
    '--x-selected': '#e7f3f2',
    '--x-ok': '#15803d', '--x-warn': '#9a5b00', '--x-bad': '#c0262d', '--x-note': '#2f57c9', '--x-idle': t.colors.gray[4],
  },
  dark: {
    '--mantine-color-body': t.colors.dark[7],
    '--mantine-color-text': t.colors.dark[0],
    '--mantine-color-dimmed': t.colors.dark[2],
    '--mantine-color-placeholder': t.colors.dark[2],
    '--mantine-color-anchor': t.colors.brand[3],
    '--mantine-color-error': '#ff7b7b',
    '--x-ground': t.colors.dark[8],
    '--x-card': t.colors.dark[7],
    '--x-line': t.colors.dark[5],
    '--x-hover': '#1c232d',
    '--x-selected': '#15302f',
    '--x-ok': '#4ade80', '--x-warn': '#f0b04a', '--x-bad': '#ff7b7b', '--x-note': '#8fb0ff', '--x-idle': t.colors.dark[3],
  },
});

// Colours of lines in a chart, told apart by people who see colours differently too (after Okabe and Ito).
export const seriesColors = ['#0b8f88', '#d97706', '#4f6bed', '#c2418c', '#65a30d', '#0ea5e9', '#b45309', '#7c3aed', '#dc2626', '#64748b'];
